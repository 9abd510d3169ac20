#pragma once

#include "kube/client/config.hpp"
#include "kube/client/connection_observer.hpp"
#include "kube/client/credentials.hpp"
#include "kube/net/byte_stream.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace kube {

/// What clients of one API server share: how to connect and who we are, which change together where a credential
/// plugin answers with a certificate.
struct Connection {
    std::shared_ptr<Transport> transport;
    std::shared_ptr<Credentials> credentials;
};

/// Makes the connection that `config` describes. `runner` runs its credential plugin (null = real processes), `sources`
/// read the files that rotate; `observer` may be null and must outlive the connection.
Result<Connection> make_connection(boost::asio::any_io_executor executor, Clock& clock, const Config& config,
                                   const ConfigSources& sources, ConnectionObserver* observer = nullptr,
                                   std::shared_ptr<ProcessRunner> runner = nullptr);

}  // namespace kube
