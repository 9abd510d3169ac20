#include "kube/client/kubeconfig.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "kube/base/yaml.hpp"
#include "kube/net/url.hpp"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <string_view>

namespace kube {

namespace {

using nlohmann::json;

constexpr std::string_view kExecV1 = "client.authentication.k8s.io/v1";
constexpr std::string_view kExecV1Beta1 = "client.authentication.k8s.io/v1beta1";
/// The extension of a cluster that is meant for its credential plugins (client-go tools/clientcmd).
constexpr std::string_view kExecExtension = "client.authentication.k8s.io/exec";

std::unexpected<Error> bad(const std::string& message) {
    return fail(ErrorKind::config, message);
}

bool is_set(const json& object, const char* key) {
    const json* value = find_at(object, {key});
    return value != nullptr && !value->is_null() && *value != "" && *value != json::object() && *value != json::array();
}

/// A DNS label (RFC 1123).
bool is_namespace(std::string_view text) {
    const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (text.empty() || text.size() > 63 || !alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
    return std::ranges::all_of(text, [&](char c) { return alphanumeric(c) || c == '-'; });
}

/// Relative names stand beside the file that they are written in.
void resolve_files(json& object, const std::string& directory, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        const std::string path = string_at(object, {key});
        if (!path.empty() && path.front() != '/') object[key] = directory + "/" + path;
    }
}

/// Moves the named entries of a list into `into`, unless an earlier file defined them. Kubeconfigs in the wild have
/// null lists and entries without content.
void merge_entries(const json& file, const char* list, const char* content, const std::string& directory, json& into) {
    const json* entries = find_at(file, {list});
    if (entries == nullptr || !entries->is_array()) return;
    for (const json& entry : *entries) {
        const std::string name = string_at(entry, {"name"});
        if (name.empty() || into.contains(name)) continue;
        const json* value = find_at(entry, {content});
        json object = value != nullptr && value->is_object() ? *value : json::object();
        resolve_files(object, directory, {"certificate-authority", "client-certificate", "client-key", "tokenFile"});
        // A plugin's name without a separator is looked up in $PATH instead.
        if (const auto exec = object.find("exec"); exec != object.end() && exec->is_object()) {
            if (string_at(*exec, {"command"}).contains('/')) resolve_files(*exec, directory, {"command"});
        }
        into[name] = std::move(object);
    }
}

/// A PEM text and the file that it came from, which is empty when it was inline.
struct Material {
    std::string pem;
    std::string file;
};

/// The content of `key` (a file) or `key`-data (base64); empty when neither is there.
Result<Material> material(const json& object, const std::string& key, const std::string& whose,
                          const ConfigSources& sources) {
    std::string data = string_at(object, {key + "-data"});
    std::erase_if(data, [](char c) { return c == '\n' || c == '\r'; });  // as Go's decoder does
    const std::string path = string_at(object, {key});
    if (!data.empty() && !path.empty()) {
        return bad(whose + ": " + key + " and " + key + "-data are both given; remove one");
    }
    if (!data.empty()) {
        auto decoded = base64_decode(data);
        if (!decoded) return bad(whose + ": " + key + "-data is not valid base64");
        return Material{.pem = std::move(*decoded), .file = {}};
    }
    if (path.empty()) return Material();
    auto content = sources.read_file(path);
    if (!content) return bad(whose + ": " + key + ": " + content.error().message);
    // For a CA, falling back to the system's roots would be trust that nobody asked for.
    if (content->empty()) return bad(whose + ": " + key + ": " + path + " is empty");
    return Material{.pem = std::move(*content), .file = path};
}

bool flag_at(const json& object, const char* key) {
    const json* value = find_at(object, {key});
    return value != nullptr && value->is_boolean() && value->get<bool>();
}

Result<void> read_cluster(const json& cluster, const std::string& whose, const ConfigSources& sources, Config& config) {
    const std::string server = string_at(cluster, {"server"});
    if (server.empty()) return bad("no server found for " + whose);
    auto parsed = parse_server_url(server, config);
    if (!parsed) return bad(whose + ": " + parsed.error().message);
    if (const std::string url = string_at(cluster, {"proxy-url"}); !url.empty()) {
        auto proxy = parse_proxy(url);
        if (!proxy) return bad(whose + ": proxy-url " + proxy.error().message);
        config.proxy = std::move(*proxy);
    } else {
        auto proxy = proxy_from_environment(sources.environment, config.tls_enabled, config.host, config.port);
        if (!proxy) return std::unexpected(std::move(proxy.error()));
        config.proxy = std::move(*proxy);
    }
    if (!config.tls_enabled) return {};
    config.tls.insecure = flag_at(cluster, "insecure-skip-tls-verify");
    config.tls.server_name = string_at(cluster, {"tls-server-name"});
    auto ca = material(cluster, "certificate-authority", whose, sources);
    if (!ca) return std::unexpected(ca.error());
    config.tls.ca_pem = std::move(ca->pem);
    config.ca_file = std::move(ca->file);
    if (config.tls.insecure && !config.tls.ca_pem.empty()) {
        return bad(whose + ": insecure-skip-tls-verify and certificate-authority exclude each other; remove one");
    }
    return {};
}

std::vector<std::string> strings_at(const json& object, const char* key) {
    std::vector<std::string> strings;
    const json* list = find_at(object, {key});
    if (list == nullptr || !list->is_array()) return strings;
    for (const json& entry : *list) {
        if (entry.is_string()) strings.push_back(entry.get<std::string>());
    }
    return strings;
}

/// What a plugin is told about the cluster when it asks (client-go rest/exec.go).
json cluster_info(const json& cluster, const Config& config) {
    json info = {{"server", string_at(cluster, {"server"})}};
    if (!config.tls.server_name.empty()) info["tls-server-name"] = config.tls.server_name;
    if (config.tls.insecure) info["insecure-skip-tls-verify"] = true;
    if (!config.tls.ca_pem.empty()) info["certificate-authority-data"] = base64_encode(config.tls.ca_pem);
    if (config.proxy) info["proxy-url"] = config.proxy->url();
    if (flag_at(cluster, "disable-compression")) info["disable-compression"] = true;
    info["config"] = nullptr;
    const json* extensions = find_at(cluster, {"extensions"});
    if (extensions == nullptr || !extensions->is_array()) return info;
    for (const json& entry : *extensions) {
        const json* extension = find_at(entry, {"extension"});
        if (extension != nullptr && string_at(entry, {"name"}) == kExecExtension) info["config"] = *extension;
    }
    return info;
}

Result<ExecConfig> read_exec(const json& object, const json& cluster, const std::string& whose, const Config& config) {
    ExecConfig exec;
    exec.api_version = string_at(object, {"apiVersion"});
    if (exec.api_version != kExecV1 && exec.api_version != kExecV1Beta1) {
        return bad(whose + ": exec: apiVersion must be " + std::string(kExecV1) + " or " + std::string(kExecV1Beta1));
    }
    exec.command = string_at(object, {"command"});
    if (exec.command.empty()) return bad(whose + ": exec: command is missing");
    exec.args = strings_at(object, "args");
    if (const json* env = find_at(object, {"env"}); env != nullptr && env->is_array()) {
        for (const json& entry : *env) {
            std::string name = string_at(entry, {"name"});
            if (name.empty()) return bad(whose + ": exec: an env entry has no name");
            exec.env.emplace_back(std::move(name), string_at(entry, {"value"}));
        }
    }
    exec.install_hint = string_at(object, {"installHint"});
    const std::string mode = string_at(object, {"interactiveMode"});
    if (mode.empty() && exec.api_version == kExecV1) {
        return bad(whose + ": exec: interactiveMode is missing; set it to Never or IfAvailable");
    }
    if (!mode.empty() && mode != "Never" && mode != "IfAvailable" && mode != "Always") {
        return bad(whose + ": exec: interactiveMode must be Never, IfAvailable or Always");
    }
    exec.needs_terminal = mode == "Always";
    if (flag_at(object, "provideClusterInfo")) exec.cluster = dump_json(cluster_info(cluster, config));
    return exec;
}

Result<void> read_impersonation(const json& user, const std::string& whose, Config& config) {
    Impersonation& as = config.impersonate;
    as.user = string_at(user, {"as"});
    as.uid = string_at(user, {"as-uid"});
    as.groups = strings_at(user, "as-groups");
    if (const json* extra = find_at(user, {"as-user-extra"}); extra != nullptr && extra->is_object()) {
        for (const auto& [key, values] : extra->items()) as.extra.emplace_back(key, strings_at(*extra, key.c_str()));
    }
    if (as.user.empty() && (!as.uid.empty() || !as.groups.empty() || !as.extra.empty())) {
        return bad(whose + ": as-uid, as-groups and as-user-extra need a user to act as; set `as`");
    }
    return {};
}

Result<void> read_client_certificate(const json& user, const std::string& whose, const ConfigSources& sources,
                                     Config& config) {
    auto certificate = material(user, "client-certificate", whose, sources);
    if (!certificate) return std::unexpected(certificate.error());
    auto key = material(user, "client-key", whose, sources);
    if (!key) return std::unexpected(key.error());
    if (certificate->pem.empty() != key->pem.empty()) {
        return bad(whose + ": client-certificate and client-key must be given together");
    }
    config.tls.certificate_pem = std::move(certificate->pem);
    config.tls.key_pem = std::move(key->pem);
    // With one of them inline nothing can rotate.
    if (certificate->file.empty() || key->file.empty()) return {};
    config.certificate_file = std::move(certificate->file);
    config.key_file = std::move(key->file);
    return {};
}

Result<void> read_token(const json& user, const std::string& whose, const ConfigSources& sources, Config& config) {
    config.token = string_at(user, {"token"});
    config.token_file = string_at(user, {"tokenFile"});
    if (!config.token.empty() || config.token_file.empty()) return {};
    auto content = sources.read_file(config.token_file);
    if (!content) return bad(whose + ": tokenFile: " + content.error().message);
    return {};
}

Result<void> read_user(const json& user, const json& cluster, const std::string& whose, const ConfigSources& sources,
                       Config& config) {
    auto as = read_impersonation(user, whose, config);
    if (!as) return as;
    // Credentials never go over a connection that is not encrypted.
    if (!config.tls_enabled) return {};
    if (is_set(user, "auth-provider")) {
        return bad(whose + ": auth-provider is not supported; use an exec credential plugin");
    }
    auto certificate = read_client_certificate(user, whose, sources, config);
    if (!certificate) return certificate;
    auto token = read_token(user, whose, sources, config);
    if (!token) return token;
    config.username = string_at(user, {"username"});
    config.password = string_at(user, {"password"});
    const bool basic = !config.username.empty() || !config.password.empty();
    if (basic && !config.token.empty()) {
        return bad(whose + ": token and username/password exclude each other; remove one");
    }
    const json* exec = find_at(user, {"exec"});
    if (exec == nullptr || !exec->is_object()) return {};
    auto read = read_exec(*exec, cluster, whose, config);
    if (!read) return std::unexpected(std::move(read.error()));
    const bool other = basic || !config.token.empty() || !config.token_file.empty() || !config.tls.key_pem.empty();
    if (!other) config.exec = std::move(*read);
    return {};
}

}  // namespace

Result<void> parse_server_url(const std::string& url, Config& config) {
    if (!url.starts_with("https://") && !url.starts_with("http://")) {
        return bad("server must begin with https:// or http://");
    }
    const auto parsed = parse_url(url);
    if (!parsed) return bad("server " + parsed.error().message);
    if (!parsed->user.empty() || !parsed->password.empty()) return bad("server must not contain credentials");
    config.tls_enabled = parsed->scheme == "https";
    config.host = parsed->host;
    config.port = config.tls_enabled ? 443 : 80;
    if (parsed->port != 0) config.port = parsed->port;
    config.path_prefix = parsed->path;
    while (config.path_prefix.ends_with('/')) config.path_prefix.pop_back();
    return {};
}

Result<Kubeconfig> read_kubeconfigs(const std::vector<std::string>& files, const ConfigSources& sources) {
    Kubeconfig merged;
    for (const std::string& file : files) {
        const auto text = sources.read_file(file);
        if (!text) return bad(text.error().message);
        const auto documents = parse_yaml(*text);
        if (!documents) return bad("kubeconfig " + file + ": " + documents.error().message);
        if (documents->empty() || documents->front().is_null()) continue;  // an empty file is an empty configuration
        const json& root = documents->front();
        if (!root.is_object()) return bad("kubeconfig " + file + " is not a mapping; is it a kubeconfig at all?");
        const std::string directory = std::filesystem::path(file).parent_path().string();
        const std::string base = directory.empty() ? "." : directory;
        if (merged.current_context.empty()) merged.current_context = string_at(root, {"current-context"});
        merge_entries(root, "clusters", "cluster", base, merged.clusters);
        merge_entries(root, "users", "user", base, merged.users);
        merge_entries(root, "contexts", "context", base, merged.contexts);
    }
    return merged;
}

Result<Config> resolve_context(const Kubeconfig& kubeconfig, const std::string& context, const std::string& where,
                               const ConfigSources& sources) {
    const std::string name = context.empty() ? kubeconfig.current_context : context;
    if (name.empty())
        return bad(where + " has no current-context; set one with kubectl config use-context, or pass --context");
    if (!kubeconfig.contexts.contains(name)) return bad("context \"" + name + "\" does not exist in " + where);
    const json& chosen = kubeconfig.contexts[name];
    const std::string cluster = string_at(chosen, {"cluster"});
    const std::string user = string_at(chosen, {"user"});
    if (!kubeconfig.clusters.contains(cluster)) {
        return bad("cluster \"" + cluster + "\" of context \"" + name + "\" does not exist in " + where);
    }
    if (!user.empty() && !kubeconfig.users.contains(user)) {
        return bad("user \"" + user + "\" of context \"" + name + "\" does not exist in " + where);
    }
    Config config;
    config.source = where + ", context " + name;
    if (const std::string ns = string_at(chosen, {"namespace"}); !ns.empty()) {
        if (!is_namespace(ns)) return bad("namespace of context \"" + name + "\" is not a valid name");
        config.default_namespace = ns;
    }
    auto read = read_cluster(kubeconfig.clusters[cluster], "cluster \"" + cluster + "\"", sources, config);
    if (!read) return std::unexpected(read.error());
    if (!user.empty()) {
        auto credentials =
            read_user(kubeconfig.users[user], kubeconfig.clusters[cluster], "user \"" + user + "\"", sources, config);
        if (!credentials) return std::unexpected(credentials.error());
    }
    return config;
}

}  // namespace kube
