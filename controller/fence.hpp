#pragma once

#include "kube/client/client.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include <stop_token>
#include <string>
#include <vector>

namespace endoscope::controller {

/// The ValidatingAdmissionPolicies and bindings of manifests/fence as YAML text, compiled in. They let nobody but the
/// operator of manifests/rbac and a break-glass group write `pods/ephemeralcontainers`, and keep namespace labels and
/// our webhook configurations to administrators.
std::string fence_yaml();

/// The same objects for an operator that runs as `username`, marked as installed by `owner`. Each policy comes before
/// its binding.
std::vector<nlohmann::json> fence_objects(const std::string& username, const std::string& owner);

/// Whether the API server has ValidatingAdmissionPolicy in v1 (Kubernetes 1.30), by its discovery. Warns in the log
/// where it has not: then there is no fence.
boost::asio::awaitable<kube::Result<bool>> can_have_fence(kube::Client& client, std::stop_token stop);

/// Installs the fence around whoever `client` authenticates as, for `dev`. Takes over what another `dev` left; a fence
/// that somebody else installed is an error and stays as it is, since it guards another operator. `owner` is the URL of
/// this process's webhooks.
boost::asio::awaitable<kube::Result<void>> install_fence(kube::Client& client, std::string owner, std::stop_token stop);

/// Removes of the fence what `owner` installed.
boost::asio::awaitable<void> remove_fence(kube::Client& client, std::string owner, std::stop_token stop);

}  // namespace endoscope::controller
