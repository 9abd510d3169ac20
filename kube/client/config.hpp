#pragma once

#include "kube/base/clock.hpp"
#include "kube/net/byte_stream.hpp"
#include "kube/net/tls.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace kube {

/// Where the API server is and who we are there, with every file already read except those that rotate.
struct Config {
    std::string source;       ///< For the log: "kubeconfig /home/me/.kube/config, context dev" or "in-cluster".
    bool tls_enabled = true;  ///< False only for an http:// server.
    std::string host;         ///< Without brackets.
    unsigned short port = 443;
    std::string path_prefix;  ///< "" or "/prefix", put before every request path.
    TlsClientConfig tls;
    std::string token;                          ///< Bearer token, may be empty.
    std::string token_file;                     ///< Re-read while running (client/token_source.hpp); wins over `token`.
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

/// controller-runtime's order: `kubeconfig_flag`, then $KUBECONFIG (a ':'-separated list, merged), then in-cluster,
/// then
/// ~/.kube/config. Errors are `ErrorKind::config` and name the file, context, cluster or user at fault and the remedy.
/// What a kubeconfig can say and this client cannot do yet (exec plugins, proxies, impersonation, basic authentication)
/// is refused, never ignored. Sources of the rules: client-go tools/clientcmd, controller-runtime pkg/client/config.
Result<Config> load_config(const std::string& kubeconfig_flag, const std::string& context_flag,
                           const ConfigSources& sources);

/// A transport for `config`.
Result<std::shared_ptr<Transport>> make_transport(boost::asio::any_io_executor executor, Clock& clock,
                                                  const Config& config);

}  // namespace kube
