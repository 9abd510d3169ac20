#include "tests/integration/cluster.hpp"

#include "kube/base/json.hpp"
#include "kube/client/config.hpp"

#include <boost/asio/co_spawn.hpp>

#include <arpa/inet.h>
#include <cstdlib>
#include <filesystem>
#include <signal.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace endoscope::test {
namespace asio = boost::asio;

namespace {

std::unique_ptr<Cluster>& instance() {
    static std::unique_ptr<Cluster> cluster;
    return cluster;
}

std::string environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : value;
}

std::string collection_path(const json& object) {
    static const std::map<std::string, std::string> kPlurals = {{"DebugRequest", "debugrequests"},
                                                                {"DebugPolicy", "debugpolicies"},
                                                                {"Pod", "pods"},
                                                                {"Namespace", "namespaces"},
                                                                {"Role", "roles"},
                                                                {"RoleBinding", "rolebindings"}};
    const std::string version = kube::string_at(object, {"apiVersion"});
    const std::string ns = kube::string_at(object, {"metadata", "namespace"});
    return (version.contains('/') ? "/apis/" : "/api/") + version + (ns.empty() ? "" : "/namespaces/" + ns) + "/" +
           kPlurals.at(kube::string_at(object, {"kind"}));
}

}  // namespace

unsigned short free_port() {
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const raw = static_cast<sockaddr*>(static_cast<void*>(&address));
    const bool bound = bind(descriptor, raw, size) == 0 && getsockname(descriptor, raw, &size) == 0;
    close(descriptor);
    if (!bound) throw std::runtime_error("no free port");
    return ntohs(address.sin_port);
}

User::User(const std::string& kubeconfig) : io_(1), clock_(kube::make_system_clock(io_.get_executor())) {
    const auto config = kube::load_config(kubeconfig, "", kube::ConfigSources::process());
    if (!config) throw std::runtime_error(config.error().message);
    auto transport = kube::make_transport(io_.get_executor(), *clock_, *config);
    if (!transport) throw std::runtime_error(transport.error().message);
    kube::ClientOptions options;
    options.user_agent = "integration-tests";
    options.field_manager = "integration-tests";
    client_ = std::make_unique<kube::Client>(*transport, *clock_, options);
}

User::~User() = default;

kube::Result<json> User::request(const std::string& method, const std::string& path, const json& body,
                                 const std::string& content_type) {
    kube::ApiRequest request;
    request.method = method;
    request.path = path.substr(0, path.find('?'));
    if (const auto query = path.find('?'); query != std::string::npos) {
        const std::string pair = path.substr(query + 1);
        request.query.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
    }
    if (!body.is_null()) request.body = kube::dump_json(body);
    request.content_type = content_type;
    request.idempotent = true;
    kube::Result<std::string> answer;
    asio::co_spawn(io_, client_->call(std::move(request)),
                   [&](std::exception_ptr failure, kube::Result<std::string> got) {
                       if (failure) std::rethrow_exception(failure);
                       answer = std::move(got);
                   });
    io_.restart();
    io_.run();
    if (!answer) return std::unexpected(answer.error());
    return kube::parse_json(*answer);
}

json User::get(const std::string& path) {
    auto got = request("GET", path);
    return got ? *got : json();
}

kube::Result<json> User::create(const json& object) {
    return request("POST", collection_path(object), object);
}

bool User::remove(const std::string& path) {
    return request("DELETE", path).has_value();
}

Cluster* Cluster::get(std::string& why_not) {
    if (instance()) return instance().get();
    const bool real = environment("ENDOSCOPE_CONTROLPLANE") == "real";
    const std::string binary = real ? environment("ENDOSCOPE_CONTROLPLANE_BIN") : ENDOSCOPE_MODEL_APISERVER;
    if (binary.empty()) {
        why_not = "there is no real control plane here (tests/controlplane/build.sh needs Go)";
        return nullptr;
    }
    std::string dir = (std::filesystem::temp_directory_path() / "endoscope-integration-XXXXXX").string();
    if (mkdtemp(dir.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
    instance().reset(new Cluster(dir, real, binary));
    return instance().get();
}

void Cluster::shut_down() {
    if (!instance()) return;
    const std::string dir = instance()->dir_;
    instance().reset();
    std::filesystem::remove_all(dir);
}

Cluster::Cluster(std::string dir, bool real, std::string binary)
    : dir_(std::move(dir)), real_(real), binary_(std::move(binary)) {
    start_api_server();
    if (real_) {
        for (const std::string user : {"alice", "bob"}) {
            Subprocess issue({binary_, "kubeconfig", "--dir", dir_, "--user", user, "--group", "developers", "--out",
                              kubeconfig(user)},
                             dir_ + "/issue-" + user);
            if (issue.wait(std::chrono::seconds(20)) != 0) throw std::runtime_error("no kubeconfig: " + issue.err());
        }
        kubelet_ = std::make_unique<Subprocess>(
            std::vector<std::string>{ENDOSCOPE_TEST_KUBELET, "--kubeconfig", kubeconfig("admin")}, dir_ + "/kubelet");
    }
    admin_ = std::make_unique<User>(kubeconfig("admin"));
    alice_ = std::make_unique<User>(kubeconfig("alice"));
    bob_ = std::make_unique<User>(kubeconfig("bob"));
}

void Cluster::start_api_server() {
    std::vector<std::string> argv = {binary_};
    if (real_) argv.emplace_back("start");
    argv.insert(argv.end(), {"--dir", dir_, "--exit-with-parent"});
    if (!real_) argv.insert(argv.end(), {"--kubelet", "--user", "alice:developers", "--user", "bob:developers"});
    api_server_ = std::make_unique<Subprocess>(argv, dir_ + "/apiserver-process");
    if (!api_server_->wait_for_line("ready", std::chrono::seconds(90))) {
        throw std::runtime_error("the API server does not start: " + api_server_->err());
    }
}

void Cluster::restart_api_server() {
    api_server_->signal(SIGTERM);
    api_server_->wait(std::chrono::seconds(20));
    start_api_server();
}

std::string Cluster::kubeconfig(const std::string& user) const {
    return dir_ + "/" + user + ".kubeconfig";
}

OperatorProcess::OperatorProcess(Cluster& cluster) : metrics_port_(free_port()), health_port_(free_port()) {
    static int number = 0;
    process_ = std::make_unique<Subprocess>(
        std::vector<std::string>{ENDOSCOPE_OPERATOR, "dev", "--kubeconfig", cluster.kubeconfig("admin"),
                                 "--webhook-port", "0", "--metrics-bind-address",
                                 "127.0.0.1:" + std::to_string(metrics_port_), "--health-probe-bind-address",
                                 "127.0.0.1:" + std::to_string(health_port_)},
        cluster.dir() + "/operator-" + std::to_string(++number));
    if (!process_->wait_for_line("ready", std::chrono::seconds(60))) {
        throw std::runtime_error("the operator does not start: " + process_->err());
    }
}

void OperatorProcess::crash() {
    process_->signal(SIGKILL);
    process_->wait(std::chrono::seconds(10));
}

std::string http_get(unsigned short port, const std::string& path) {
    asio::io_context io(1);
    const auto clock = kube::make_system_clock(io.get_executor());
    auto transport = kube::make_tcp_transport(io.get_executor(), *clock, "127.0.0.1", port, std::nullopt);
    kube::ClientOptions options;
    options.user_agent = "integration-tests";
    options.max_attempts = 1;
    kube::Client client(*transport, *clock, options);
    kube::ApiRequest request;
    request.path = path;
    std::string body;
    asio::co_spawn(io, client.call(std::move(request)), [&](const std::exception_ptr&, kube::Result<std::string> got) {
        if (got) body = std::move(*got);
    });
    io.run();
    return body;
}

std::string OperatorProcess::metrics() {
    return http_get(metrics_port_, "/metrics");
}

bool OperatorProcess::healthy(const std::string& path) {
    return http_get(health_port_, path) == "ok";
}

double OperatorProcess::metric(const std::string& name) {
    const std::string text = "\n" + metrics();
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
}

}  // namespace endoscope::test
