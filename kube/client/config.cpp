#include "kube/client/config.hpp"

#include "kube/base/log.hpp"
#include "kube/client/kubeconfig.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unistd.h>

extern char** environ;

namespace kube {

namespace {

constexpr std::string_view kServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount";

std::string variable(const ConfigSources& sources, const std::string& name) {
    const auto found = sources.environment.find(name);
    return found == sources.environment.end() ? std::string() : found->second;
}

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<std::string> split_list(const std::string& list) {
    std::vector<std::string> files;
    std::istringstream stream(list);
    for (std::string file; std::getline(stream, file, ':');) {
        if (!file.empty() && std::ranges::find(files, file) == files.end()) files.push_back(file);
    }
    return files;
}

Result<Config> from_files(std::vector<std::string> files, const std::string& context, const std::string& where,
                          const ConfigSources& sources) {
    auto merged = read_kubeconfigs(files, sources);
    if (!merged) return std::unexpected(std::move(merged.error()));
    auto config = resolve_context(*merged, context, where, sources);
    if (config) {
        log::info("client", "configuration loaded", {{"from", config->source}, {"server", config->host}});
    }
    return config;
}

Result<Config> in_cluster(const std::string& host, const std::string& port, const ConfigSources& sources) {
    Config config;
    config.source = "in-cluster";
    config.host = host;
    const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), config.port);
    if (code != std::errc() || end != port.data() + port.size() || config.port == 0) {
        return fail(ErrorKind::config, "KUBERNETES_SERVICE_PORT is not a port: " + port);
    }
    const std::string directory(kServiceAccountDir);
    config.token_file = directory + "/token";
    const auto token = sources.read_file(config.token_file);
    if (!token) return fail(ErrorKind::config, "in-cluster: " + token.error().message);
    config.token = trimmed(*token);
    auto ca = sources.read_file(directory + "/ca.crt");
    if (!ca) return fail(ErrorKind::config, "in-cluster: " + ca.error().message);
    // The system's roots would be a silent fall-back to strangers.
    if (trimmed(*ca).empty()) return fail(ErrorKind::config, "in-cluster: " + directory + "/ca.crt is empty");
    config.tls.ca_pem = std::move(*ca);
    config.ca_file = directory + "/ca.crt";
    auto proxy = proxy_from_environment(sources.environment, true, config.host, config.port);
    if (!proxy) return std::unexpected(std::move(proxy.error()));
    config.proxy = std::move(*proxy);
    const std::string pod_namespace = variable(sources, "POD_NAMESPACE");
    if (!pod_namespace.empty()) {
        config.default_namespace = pod_namespace;
    } else if (const auto ns = sources.read_file(directory + "/namespace"); ns && !trimmed(*ns).empty()) {
        config.default_namespace = trimmed(*ns);
    }
    log::info("client", "configuration loaded", {{"from", config.source}, {"server", config.host}});
    return config;
}

}  // namespace

ConfigSources ConfigSources::process() {
    ConfigSources sources;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos)
            sources.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    sources.read_file = [](const std::string& path) -> Result<std::string> {
        std::ifstream file(path, std::ios::binary);
        std::ostringstream content;
        if (file) content << file.rdbuf();
        if (!file || file.bad()) return fail(ErrorKind::config, "cannot read " + path + ": " + std::strerror(errno));
        return content.str();
    };
    sources.exists = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; };
    return sources;
}

Result<Config> load_config(const std::string& kubeconfig_flag, const std::string& context_flag,
                           const ConfigSources& sources) {
    if (!kubeconfig_flag.empty()) {
        return from_files({kubeconfig_flag}, context_flag, "kubeconfig " + kubeconfig_flag, sources);
    }
    const std::string list = variable(sources, "KUBECONFIG");
    if (!list.empty()) {
        std::vector<std::string> files = split_list(list);
        std::erase_if(files, [&](const std::string& file) { return !sources.exists(file); });
        if (!files.empty()) return from_files(std::move(files), context_flag, "kubeconfig " + list, sources);
        log::warn("client", "no file of $KUBECONFIG exists", {{"files", list}});
    }
    const std::string host = variable(sources, "KUBERNETES_SERVICE_HOST");
    const std::string port = variable(sources, "KUBERNETES_SERVICE_PORT");
    if (!host.empty() && !port.empty()) return in_cluster(host, port, sources);
    if (!list.empty()) {
        return fail(ErrorKind::config, "no file of $KUBECONFIG exists: " + list +
                                           "; correct or unset it, pass --kubeconfig, or run inside a cluster");
    }
    const std::string home = variable(sources, "HOME");
    const std::string file = home + "/.kube/config";
    if (!home.empty() && sources.exists(file)) return from_files({file}, context_flag, "kubeconfig " + file, sources);
    return fail(ErrorKind::config,
                "no cluster to connect to: pass --kubeconfig, set KUBECONFIG, or run inside a cluster");
}

std::string user_agent(std::string_view name, std::string_view version) {
#if defined(__aarch64__)
    constexpr std::string_view kArchitecture = "arm64";
#else
    constexpr std::string_view kArchitecture = "amd64";
#endif
    return std::string(name) + "/" + std::string(version) + " (linux/" + std::string(kArchitecture) + ")";
}

}  // namespace kube
