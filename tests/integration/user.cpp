#include "tests/integration/user.hpp"

#include "kube/base/json.hpp"
#include "kube/client/connection.hpp"
#include "kube/client/credentials.hpp"

#include <boost/asio/co_spawn.hpp>

#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace endoscope::test {
namespace asio = boost::asio;

namespace {

std::string collection_path(const json& object) {
    static const std::map<std::string, std::string> kPlurals = {{"DebugRequest", "debugrequests"},
                                                                {"DebugPolicy", "debugpolicies"},
                                                                {"Pod", "pods"},
                                                                {"Namespace", "namespaces"},
                                                                {"Role", "roles"},
                                                                {"RoleBinding", "rolebindings"},
                                                                {"ClusterRole", "clusterroles"},
                                                                {"ClusterRoleBinding", "clusterrolebindings"},
                                                                {"ServiceAccount", "serviceaccounts"},
                                                                {"PodDisruptionBudget", "poddisruptionbudgets"}};
    const std::string version = kube::string_at(object, {"apiVersion"});
    const std::string ns = kube::string_at(object, {"metadata", "namespace"});
    return (version.contains('/') ? "/apis/" : "/api/") + version + (ns.empty() ? "" : "/namespaces/" + ns) + "/" +
           kPlurals.at(kube::string_at(object, {"kind"}));
}

/// Runs one coroutine to its end.
kube::Result<std::string> run(asio::io_context& io, asio::awaitable<kube::Result<std::string>> call) {
    std::optional<kube::Result<std::string>> answer;
    asio::co_spawn(io, std::move(call), [&](const std::exception_ptr& failure, kube::Result<std::string> got) {
        if (failure) std::rethrow_exception(failure);
        answer = std::move(got);
    });
    io.restart();
    while (!answer) io.run_one();
    return std::move(*answer);
}

}  // namespace

User::User(const std::string& kubeconfig) : io_(1), clock_(kube::make_system_clock(io_.get_executor())) {
    const auto config = kube::load_config(kubeconfig, "", kube::ConfigSources::process());
    if (!config) throw std::runtime_error(config.error().message);
    auto connection = kube::make_connection(io_.get_executor(), *clock_, *config, kube::ConfigSources::process());
    if (!connection) throw std::runtime_error(connection.error().message);
    kube::ClientOptions options;
    options.user_agent = "integration-tests";
    options.field_manager = "integration-tests";
    client_ = std::make_unique<kube::Client>(connection->transport, *clock_, options, connection->credentials);
}

User::~User() = default;

kube::Result<json> User::request(const std::string& method, const std::string& path, const json& body,
                                 const std::string& content_type) {
    kube::ApiRequest request;
    request.method = method;
    request.path = path.substr(0, path.find('?'));
    if (const auto query = path.find('?'); query != std::string::npos) {
        std::istringstream pairs(path.substr(query + 1));
        for (std::string pair; std::getline(pairs, pair, '&');) {
            const auto equal = pair.find('=');
            request.query.emplace_back(pair.substr(0, equal), pair.substr(equal + 1));
        }
    }
    if (!body.is_null()) request.body = kube::dump_json(body);
    request.content_type = content_type;
    request.idempotent = true;
    const auto answer = run(io_, client_->call(std::move(request)));
    if (!answer) return std::unexpected(answer.error());
    return kube::parse_json(*answer);
}

json User::get(const std::string& path) {
    auto got = request("GET", path);
    return got ? std::move(*got) : json();
}

bool User::is_absent(const std::string& path) {
    const auto got = request("GET", path);
    return !got && got.error().kind == kube::ErrorKind::not_found;
}

kube::Result<json> User::create(const json& object) {
    return request("POST", collection_path(object), object);
}

kube::Result<json> User::put_in_place(const json& object) {
    auto created = create(object);
    if (created || created.error().kind != kube::ErrorKind::already_exists) return created;
    return merge(collection_path(object) + "/" + kube::string_at(object, {"metadata", "name"}), object);
}

kube::Result<json> User::rehearse(const json& object) {
    return request("POST", collection_path(object) + "?dryRun=All", object);
}

kube::Result<json> User::merge(const std::string& path, const json& patch) {
    return request("PATCH", path, patch, std::string(kube::patch::kMerge));
}

bool User::remove(const std::string& path) {
    return request("DELETE", path).has_value();
}

namespace {

kube::Result<std::string> call_on_loopback(unsigned short port, kube::ApiRequest request, const std::string& token,
                                           std::optional<kube::TlsClientConfig> tls) {
    asio::io_context io(1);
    const auto clock = kube::make_system_clock(io.get_executor());
    auto transport = kube::make_tcp_transport(io.get_executor(), *clock, "127.0.0.1", port, std::move(tls));
    if (!transport) return std::unexpected(transport.error());
    kube::ClientOptions options;
    options.user_agent = "integration-tests";
    options.max_attempts = 1;
    kube::Client client(*transport, *clock, options,
                        token.empty() ? nullptr : kube::make_token_credentials(kube::make_static_token(token)));
    return run(io, client.call(std::move(request)));
}

kube::ApiRequest get_of(const std::string& path) {
    kube::ApiRequest request;
    request.path = path;
    return request;
}

}  // namespace

std::string http_get(unsigned short port, const std::string& path) {
    const auto body = call_on_loopback(port, get_of(path), "", std::nullopt);
    return body ? *body : "";
}

kube::Result<std::string> https_post(unsigned short port, const std::string& path, const json& body) {
    kube::TlsClientConfig tls;
    tls.insecure = true;
    kube::ApiRequest request;
    request.method = "POST";
    request.path = path;
    request.body = kube::dump_json(body);
    return call_on_loopback(port, std::move(request), "", std::move(tls));
}

kube::Result<std::string> https_get(unsigned short port, const std::string& path, const std::string& token,
                                    const std::string& anchor) {
    kube::TlsClientConfig tls;
    tls.insecure = anchor.empty();
    tls.ca_pem = anchor;
    return call_on_loopback(port, get_of(path), token, std::move(tls));
}

}  // namespace endoscope::test
