#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace endoscope::controller {

/// The CRDs as they stand in manifests/crds, compiled in.
std::vector<nlohmann::json> embedded_crds();
/// Their YAML text, one document after the other.
std::string embedded_crds_yaml();

/// The webhook configurations that `dev` installs: they point at `url` (https://127.0.0.1:9443) and trust `ca_pem`.
/// `failurePolicy: Fail`, our own kind only.
std::vector<nlohmann::json> webhook_configurations(const std::string& url, const std::string& ca_pem);

/// Name of both webhook configurations.
inline constexpr std::string_view kWebhookName = "endoscope";

}  // namespace endoscope::controller
