#pragma once

#include "tests/integration/control_plane.hpp"
#include "tests/integration/operator_process.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace endoscope::test {

inline constexpr const char* kImage = "registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:1.0";

inline constexpr const char* kMutating =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/endoscope";
inline constexpr const char* kValidating =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/endoscope";

/// A namespace with a running Pod `web` and a policy for it, and three people: alice may debug there, bob may only ask,
/// carol may ask and use the policy. The operator is shared by the tests of a suite.
class EndoscopeTest : public testing::Test {
  public:
    /// Stops the shared operator; it must end well.
    static void end_operator();

  protected:
    void SetUp() override;
    void TearDown() override;

    OperatorProcess& op() { return *operator_; }
    static void start_operator();
    void crash_and_restart();

    User& admin() { return plane_->admin(); }
    User& alice() { return plane_->alice(); }
    User& bob() { return plane_->bob(); }
    User& carol() { return plane_->carol(); }

    /// Creates an object as the administrator.
    void make(const json& object);
    /// Gives a person a Role in the namespace.
    void give(const std::string& user, const json& rules);

    json pod(const std::string& name, const json& spec = json::object()) const;
    json request(const std::string& name, const json& spec = json::object()) const;
    /// The namespace's policy.
    json policy() const;
    /// One more policy for the namespace, `name` appended to its name, for images of registry.example.com/<name> alone:
    /// a request with such an image is judged by nothing older than this policy.
    std::string add_policy(const std::string& name, const json& spec);
    std::string image_of(const std::string& policy, const std::string& image) const {
        return "registry.example.com/" + policy + "/" + image;
    }
    /// Creates a Pod and waits until it runs.
    void run_pod(const std::string& name, const json& spec = json::object());

    /// The token of a user who has one ("reader", "stranger"): one that the model was told of, a ServiceAccount of a
    /// real API server.
    std::string token_of(const std::string& name);
    /// Of a ServiceAccount that exists; only a real API server issues any.
    std::string issue_token(const std::string& ns, const std::string& account);
    void let_read_metrics(const std::string& user);

    std::string path(const std::string& name) const {
        return "/apis/endoscope.dev/v1alpha1/namespaces/" + ns_ + "/debugrequests/" + name;
    }
    std::string policy_path(const std::string& name) const {
        return "/apis/endoscope.dev/v1alpha1/debugpolicies/" + name;
    }
    std::string pod_path(const std::string& name) const { return "/api/v1/namespaces/" + ns_ + "/pods/" + name; }
    json stored(const std::string& name) { return admin().get(path(name)); }
    /// A text of the status, "" when it is not there.
    std::string status(const std::string& name, const std::string& field);
    std::string phase(const std::string& name) { return status(name, "phase"); }
    std::string message(const std::string& name) { return status(name, "message"); }
    /// The status of a condition: True, False, Unknown or "".
    std::string condition(const std::string& name, const std::string& type);
    /// Waits until the request is in a terminal phase; "phase/reason" then.
    std::string outcome(const std::string& name, std::chrono::milliseconds limit = std::chrono::seconds(30));
    bool reaches(const std::string& name, const std::string& phase,
                 std::chrono::milliseconds limit = std::chrono::seconds(30));
    /// The ephemeral containers of a Pod, which must be there.
    json injected(const std::string& pod_name);
    /// How many of them are of that request.
    std::size_t containers_of(const std::string& name, const std::string& pod_name = "web");

    ControlPlane* plane_ = nullptr;
    std::string ns_;

  private:
    static inline std::unique_ptr<OperatorProcess> operator_;
};

}  // namespace endoscope::test
