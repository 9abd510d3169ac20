#pragma once

#include "tests/integration/cluster.hpp"

#include <gtest/gtest.h>

#include <string>

namespace endoscope::test {

inline constexpr const char* kImage = "registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:1.0";

/// A namespace with a running Pod `web`, a policy for it, and alice, who may debug there; bob may only ask.
class EndoscopeTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {}
    void SetUp() override;
    void TearDown() override;

    OperatorProcess& op() { return *operator_; }
    void start_operator();
    static void stop_operator();

    json pod(const std::string& name, const json& spec = json::object()) const;
    json policy(const json& spec = json::object()) const;
    json request(const std::string& name, const json& spec = json::object()) const;
    /// Creates a Pod and waits until it runs.
    void run_pod(const std::string& name, const json& spec = json::object());

    std::string path(const std::string& name) const {
        return "/apis/endoscope.dev/v1alpha1/namespaces/" + ns_ + "/debugrequests/" + name;
    }
    std::string pod_path(const std::string& name) const { return "/api/v1/namespaces/" + ns_ + "/pods/" + name; }
    json stored(const std::string& name) { return cluster_->admin().get(path(name)); }
    std::string phase(const std::string& name);
    std::string reason(const std::string& name);
    std::string message(const std::string& name);
    /// Waits until the request is in that phase, or in a terminal one; "phase/reason" then.
    std::string outcome(const std::string& name, std::chrono::milliseconds limit = std::chrono::seconds(30));
    bool reaches(const std::string& name, const std::string& wanted,
                 std::chrono::milliseconds limit = std::chrono::seconds(30));
    /// The ephemeral containers of a Pod.
    json injected(const std::string& pod_name);

    Cluster* cluster_ = nullptr;
    std::string ns_;

  private:
    static inline std::unique_ptr<OperatorProcess> operator_;
    friend class EndOfRun;
};

}  // namespace endoscope::test
