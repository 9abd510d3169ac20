#pragma once

#include "kube/base/error.hpp"
#include "kube/net/proxy.hpp"
#include "kube/net/tls.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kube {

/// A credential plugin: a program that prints a token or a client certificate (client.authentication.k8s.io/v1 and
/// v1beta1, see client/exec_credentials.hpp).
struct ExecConfig {
    std::string api_version;
    std::string command;  ///< With a separator: a path; else looked up in $PATH.
    std::vector<std::string> args;
    std::vector<std::pair<std::string, std::string>> env;  ///< On top of the process's own environment.
    std::string install_hint;                              ///< For people whose plugin is missing.
    bool needs_terminal = false;                           ///< `interactiveMode: Always`, which a daemon cannot offer.
    std::string cluster;  ///< `spec.cluster` as JSON with `provideClusterInfo`, else empty.
};

/// Whom to act as (`as`, `as-uid`, `as-groups`, `as-user-extra`).
struct Impersonation {
    std::string user;  ///< Empty = nobody else.
    std::string uid;
    std::vector<std::string> groups;
    std::vector<std::pair<std::string, std::vector<std::string>>> extra;
};

/// Where the API server is and who we are there, with every file already read. Files that rotate are named as well, to
/// be read again (see client/connection.hpp). Holds secrets: never log it, log `source`.
struct Config {
    std::string source;       ///< For the log: "kubeconfig /home/me/.kube/config, context dev" or "in-cluster".
    bool tls_enabled = true;  ///< False only for an http:// server, which never gets credentials.
    std::string host;         ///< Without brackets.
    unsigned short port = 443;
    std::string path_prefix;  ///< "" or "/prefix", put before every request path.
    std::optional<Proxy> proxy;
    TlsClientConfig tls;
    std::string ca_file;           ///< Where `tls.ca_pem` came from; empty when it was inline.
    std::string certificate_file;  ///< Likewise; set together with `key_file` or not at all.
    std::string key_file;
    std::string token;       ///< Bearer token, may be empty.
    std::string token_file;  ///< Re-read while running; its last good content wins over `token`.
    std::string username;    ///< Basic authentication, without a token only.
    std::string password;
    std::optional<ExecConfig> exec;  ///< Only when there is no other credential.
    Impersonation impersonate;
    std::string default_namespace = "default";  ///< The context's namespace, or the Pod's own.
};

/// Environment and file access of the loader, so that tests need neither.
struct ConfigSources {
    std::map<std::string, std::string> environment;
    /// File content, or an error that names the file.
    std::function<Result<std::string>(const std::string& path)> read_file;
    std::function<bool(const std::string& path)> exists;
    static ConfigSources process();  ///< The real ones.
};

/// controller-runtime's order: `kubeconfig_flag`, then $KUBECONFIG (a ':'-separated list, merged; files that do not
/// exist are skipped, with a warning when none does), then in-cluster, then ~/.kube/config unless $KUBECONFIG is set.
/// Without a `proxy-url` the proxy is that of the environment. Errors are `ErrorKind::config` and name the file,
/// context, cluster or user at fault and the remedy; credentials are never quoted. What this client cannot do
/// (`auth-provider`) is refused, never ignored. Sources of the rules: client-go tools/clientcmd, controller-runtime
/// pkg/client/config.
Result<Config> load_config(const std::string& kubeconfig_flag, const std::string& context_flag,
                           const ConfigSources& sources);

/// "name/version (linux/amd64)", as client-go's default user agent begins: it names the manager of fields that are
/// written without a field manager, and stands in the audit log.
std::string user_agent(std::string_view name, std::string_view version);

}  // namespace kube
