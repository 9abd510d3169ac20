#pragma once

#include "kube/client/client.hpp"
#include "tests/integration/subprocess.hpp"

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace endoscope::test {

using nlohmann::json;

/// One user's synchronous view of an API server.
class User {
  public:
    explicit User(const std::string& kubeconfig);
    ~User();

    kube::Result<json> request(const std::string& method, const std::string& path, const json& body = nullptr,
                               const std::string& content_type = "application/json");
    json get(const std::string& path);  ///< null when it does not exist.
    kube::Result<json> create(const json& object);
    bool remove(const std::string& path);

  private:
    boost::asio::io_context io_;
    std::unique_ptr<kube::Clock> clock_;
    std::unique_ptr<kube::Client> client_;
};

/// The control plane that this run tests against, chosen by ENDOSCOPE_CONTROLPLANE: "model" (the test double) or "real"
/// (kube-apiserver and etcd). Shared by the tests of one run; each uses a namespace of its own.
class Cluster {
  public:
    /// Null with a reason when the real one cannot be had here.
    static Cluster* get(std::string& why_not);
    static void shut_down();

    User& admin() { return *admin_; }
    User& alice() { return *alice_; }
    User& bob() { return *bob_; }
    std::string kubeconfig(const std::string& user) const;
    const std::string& dir() const { return dir_; }
    bool is_real() const { return real_; }

    /// Stops the API server and starts it again on the same data; only the real one keeps its data.
    void restart_api_server();

  private:
    Cluster(std::string dir, bool real, std::string binary);
    void start_api_server();

    std::string dir_;
    bool real_;
    std::string binary_;
    std::unique_ptr<Subprocess> api_server_;
    std::unique_ptr<Subprocess> kubelet_;
    std::unique_ptr<User> admin_;
    std::unique_ptr<User> alice_;
    std::unique_ptr<User> bob_;
};

/// `endoscope-operator dev` against the cluster.
class OperatorProcess {
  public:
    explicit OperatorProcess(Cluster& cluster);
    Subprocess& process() { return *process_; }
    /// SIGKILL, no clean-up of any kind.
    void crash();
    std::string metrics();
    /// Value of the metric line that begins with `name`, 0 when there is none.
    double metric(const std::string& name);
    bool healthy(const std::string& path);

  private:
    unsigned short metrics_port_;
    unsigned short health_port_;
    std::unique_ptr<Subprocess> process_;
};

unsigned short free_port();
/// GET over plain HTTP on loopback; the body, or "" when nothing answers with 200.
std::string http_get(unsigned short port, const std::string& path);

}  // namespace endoscope::test
