#pragma once

#include "kube/client/config.hpp"
#include "kube/client/connection_observer.hpp"
#include "kube/client/exec_credentials.hpp"
#include "kube/net/tls.hpp"

#include <functional>
#include <memory>
#include <string>

namespace kube {

/// The TLS configuration of `config`, with its files read again while running:
/// - the CA file at most every five minutes (client-go transport/ca_rotation.go);
/// - client certificate and key at most every ten seconds; they change together or not at all;
/// - the client certificate that a credential plugin has answered with, if `exec` is set.
/// What cannot be read, is empty, or does not fit is logged, and what was good last is kept.
std::shared_ptr<TlsClientSource> make_tls_source(Clock& clock, const Config& config,
                                                 std::function<Result<std::string>(const std::string& path)> read_file,
                                                 std::shared_ptr<ExecCredentials> exec = nullptr,
                                                 ConnectionObserver* observer = nullptr);

}  // namespace kube
