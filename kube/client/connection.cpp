#include "kube/client/connection.hpp"

#include "kube/base/log.hpp"
#include "kube/client/tls_source.hpp"

namespace kube {

Result<Connection> make_connection(boost::asio::any_io_executor executor, Clock& clock, const Config& config,
                                   const ConfigSources& sources, ConnectionObserver* observer,
                                   std::shared_ptr<ProcessRunner> runner) {
    std::shared_ptr<ExecCredentials> exec;
    if (config.exec) {
        if (!runner) runner = make_process_runner(clock);
        exec = std::make_shared<ExecCredentials>(executor, clock, *config.exec, sources.environment, std::move(runner),
                                                 observer);
    }
    TcpTransportOptions options;
    options.host = config.host;
    options.port = config.port;
    options.proxy = config.proxy;
    if (config.tls_enabled) options.tls = make_tls_source(clock, config, sources.read_file, exec, observer);
    if (config.proxy) log::info("client", "connecting through a proxy", {{"proxy", config.proxy->describe()}});
    auto transport = make_tcp_transport(std::move(executor), clock, std::move(options));
    if (!transport) return std::unexpected(std::move(transport.error()));
    Connection connection;
    connection.transport = std::move(*transport);
    connection.credentials = make_credentials(clock, config, sources.read_file, std::move(exec));
    return connection;
}

}  // namespace kube
