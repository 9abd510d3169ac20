#pragma once

#include "tests/integration/subprocess.hpp"
#include "tests/integration/user.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace endoscope::test {

/// The control plane that this run tests against, chosen by ENDOSCOPE_CONTROLPLANE: "model" (the test double) or "real"
/// (kube-apiserver and etcd, the program named by ENDOSCOPE_CONTROLPLANE_BIN; a pretend kubelet plays the node).
/// Shared by the tests of one run; each of them uses a namespace of its own.
class ControlPlane {
  public:
    /// Why there is none here; "" when there is one.
    static std::string why_not();
    static ControlPlane& get();
    static void shut_down();
    ~ControlPlane();
    ControlPlane(const ControlPlane&) = delete;
    ControlPlane& operator=(const ControlPlane&) = delete;

    User& admin() { return user("admin"); }
    User& alice() { return user("alice"); }
    User& bob() { return user("bob"); }
    User& carol() { return user("carol"); }
    User& dave() { return user("dave"); }
    std::string kubeconfig(const std::string& user) const;
    /// Makes `kubeconfig(name)`: the administrator's, edited.
    void derive_kubeconfig(const std::string& name, const std::function<void(json&)>& edit);
    const std::string& dir() const { return dir_; }
    bool is_real() const { return real_; }

    /// Kills the API server and starts it again on the same data. Only the real one keeps its data.
    void restart_api_server();
    /// Whoever watches from an older version than now gets 410. Restarts the real API server, whose watch cache knows
    /// more than etcd.
    void forget_history();
    /// Freezes the API server: connections stay open, nothing answers.
    void freeze_api_server() { api_server_->signal(SIGSTOP); }
    void thaw_api_server() { api_server_->signal(SIGCONT); }
    /// The CA of the client certificate, named api-server, that the API server shows to webhooks.
    std::string webhook_client_ca() const { return dir_ + "/webhook-client-ca.crt"; }
    /// The audit log of the real API server, one JSON document a line.
    std::string audit_log() const { return read_text(dir_ + "/audit.log"); }

  private:
    ControlPlane(std::string dir, bool real, std::string binary);
    void start_api_server();
    void make_webhook_client();
    User& user(const std::string& name);

    std::string dir_;
    bool real_;
    std::string binary_;
    std::unique_ptr<Subprocess> api_server_;
    std::unique_ptr<Subprocess> kubelet_;
    std::map<std::string, std::unique_ptr<User>> users_;
};

}  // namespace endoscope::test
