#pragma once

#include "kube/client/client.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

#include <stop_token>
#include <string>

namespace endoscope::controller {

/// Creates `object` in `collection` (the path of its resource), or merges it into the one that is there.
boost::asio::awaitable<kube::Result<void>> apply(kube::Client& client, std::string collection, nlohmann::json object,
                                                 std::stop_token stop);

/// Creates or updates the CRDs and waits until the API server serves them.
boost::asio::awaitable<kube::Result<void>> install_crds(kube::Client& client, kube::Clock& clock, std::stop_token stop);

/// Checks that the CRDs are there; the error says how to install them.
boost::asio::awaitable<kube::Result<void>> require_crds(kube::Client& client, std::stop_token stop);

/// Creates the namespace where it is missing.
boost::asio::awaitable<kube::Result<void>> ensure_namespace(kube::Client& client, std::string ns, std::stop_token stop);

/// Creates or updates the webhook configurations that point at `url`.
boost::asio::awaitable<kube::Result<void>> install_webhooks(kube::Client& client, std::string url, std::string ca_pem,
                                                            std::stop_token stop);

/// Removes the webhook configurations, but only those that still point at `url`.
boost::asio::awaitable<void> remove_webhooks(kube::Client& client, std::string url, std::stop_token stop);

/// Checks the server's version and that it has `pods/ephemeralcontainers`; the error is a sentence for people.
boost::asio::awaitable<kube::Result<std::string>> check_server(kube::Client& client, std::stop_token stop);

}  // namespace endoscope::controller
