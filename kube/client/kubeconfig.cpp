#include "kube/client/kubeconfig.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "kube/base/yaml.hpp"

#include <charconv>
#include <filesystem>
#include <initializer_list>

namespace kube {

namespace {

using nlohmann::json;

std::unexpected<Error> bad(const std::string& message) {
    return fail(ErrorKind::config, message);
}

bool is_set(const json& object, const char* key) {
    const json* value = find_at(object, {key});
    return value != nullptr && !value->is_null() && *value != "" && *value != json::object() && *value != json::array();
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
        into[name] = std::move(object);
    }
}

/// The content of `key` (a file) or `key`-data (base64), "" when neither is there.
Result<std::string> material(const json& object, const std::string& key, const std::string& whose,
                             const ConfigSources& sources) {
    std::string data = string_at(object, {key + "-data"});
    std::erase_if(data, [](char c) { return c == '\n' || c == '\r'; });  // as Go's decoder does
    const std::string path = string_at(object, {key});
    if (!data.empty()) {
        auto decoded = base64_decode(data);
        if (!decoded) return bad(whose + ": " + key + "-data is not valid base64");
        return std::move(*decoded);
    }
    if (path.empty()) return std::string();
    auto content = sources.read_file(path);
    if (!content) return bad(whose + ": " + key + ": " + content.error().message);
    if (content->empty()) return bad(whose + ": " + key + ": " + path + " is empty");
    return content;
}

Result<void> read_cluster(const json& cluster, const std::string& whose, const ConfigSources& sources, Config& config) {
    const std::string server = string_at(cluster, {"server"});
    if (server.empty()) return bad("no server found for " + whose);
    if (is_set(cluster, "proxy-url")) return bad(whose + ": proxy-url is not supported yet; use a direct connection");
    auto parsed = parse_server_url(server, config);
    if (!parsed) return bad(whose + ": " + parsed.error().message);
    const json* insecure = find_at(cluster, {"insecure-skip-tls-verify"});
    config.tls.insecure = insecure != nullptr && insecure->is_boolean() && insecure->get<bool>();
    config.tls.server_name = string_at(cluster, {"tls-server-name"});
    auto ca = material(cluster, "certificate-authority", whose, sources);
    if (!ca) return std::unexpected(ca.error());
    config.tls.ca_pem = std::move(*ca);
    if (config.tls.insecure && !config.tls.ca_pem.empty()) {
        return bad(whose + ": insecure-skip-tls-verify and certificate-authority exclude each other; remove one");
    }
    return {};
}

Result<void> read_user(const json& user, const std::string& whose, const ConfigSources& sources, Config& config) {
    for (const char* key :
         {"exec", "auth-provider", "as", "as-uid", "as-groups", "as-user-extra", "username", "password"}) {
        if (!is_set(user, key)) continue;
        return bad(whose + ": " + key + " is not supported yet; use a client certificate, token or tokenFile");
    }
    auto certificate = material(user, "client-certificate", whose, sources);
    if (!certificate) return std::unexpected(certificate.error());
    auto key = material(user, "client-key", whose, sources);
    if (!key) return std::unexpected(key.error());
    if (certificate->empty() != key->empty()) {
        return bad(whose + ": client-certificate and client-key must be given together");
    }
    config.tls.certificate_pem = std::move(*certificate);
    config.tls.key_pem = std::move(*key);
    // Credentials never go over a connection that is not encrypted.
    if (!config.tls_enabled) return {};
    config.token = string_at(user, {"token"});
    config.token_file = string_at(user, {"tokenFile"});
    return {};
}

}  // namespace

Result<void> parse_server_url(const std::string& url, Config& config) {
    std::string rest;
    if (url.starts_with("https://")) {
        rest = url.substr(8);
    } else if (url.starts_with("http://")) {
        rest = url.substr(7);
        config.tls_enabled = false;
        config.port = 80;
    } else {
        return bad("server \"" + url + "\" must begin with https:// or http://");
    }
    rest = rest.substr(0, rest.find_first_of("?#"));
    const std::size_t slash = rest.find('/');
    if (slash != std::string::npos) {
        config.path_prefix = rest.substr(slash);
        while (config.path_prefix.ends_with('/')) config.path_prefix.pop_back();
        rest.resize(slash);
    }
    if (rest.contains('@')) return bad("server must not contain credentials");
    std::string port;
    if (rest.starts_with('[')) {
        const std::size_t end = rest.find(']');
        if (end == std::string::npos) return bad("server \"" + url + "\" has a bracket that does not close");
        config.host = rest.substr(1, end - 1);
        if (rest.size() > end + 1 && rest[end + 1] != ':') return bad("server \"" + url + "\" is not a valid URL");
        if (rest.size() > end + 1) port = rest.substr(end + 2);
        if (rest.size() == end + 2) return bad("server \"" + url + "\" has an empty port");
    } else {
        const std::size_t colon = rest.find(':');
        config.host = rest.substr(0, colon);
        if (colon != std::string::npos) port = rest.substr(colon + 1);
        if (colon != std::string::npos && port.empty()) return bad("server \"" + url + "\" has an empty port");
    }
    if (config.host.empty()) return bad("server \"" + url + "\" has no host");
    if (port.empty()) return {};
    const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), config.port);
    if (code != std::errc() || end != port.data() + port.size() || config.port == 0) {
        return bad("server \"" + url + "\" has a port that is not a number from 1 to 65535");
    }
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
    if (const std::string ns = string_at(chosen, {"namespace"}); !ns.empty()) config.default_namespace = ns;
    auto read = read_cluster(kubeconfig.clusters[cluster], "cluster \"" + cluster + "\"", sources, config);
    if (!read) return std::unexpected(read.error());
    if (!user.empty()) {
        auto credentials = read_user(kubeconfig.users[user], "user \"" + user + "\"", sources, config);
        if (!credentials) return std::unexpected(credentials.error());
    }
    return config;
}

}  // namespace kube
