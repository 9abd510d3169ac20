#pragma once

#include "kube/client/config.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace kube {

/// One or several kubeconfig files, merged: the first file to define a cluster, user, context or the current context
/// wins whole, and relative file names are already resolved against the directory of the file they stand in.
struct Kubeconfig {
    std::string current_context;
    nlohmann::json clusters = nlohmann::json::object();  ///< By name.
    nlohmann::json users = nlohmann::json::object();
    nlohmann::json contexts = nlohmann::json::object();
};

/// Reads and merges `files`, which may be YAML or JSON; all must exist. An empty file is an empty configuration, and
/// unknown keys are ignored.
Result<Kubeconfig> read_kubeconfigs(const std::vector<std::string>& files, const ConfigSources& sources);

/// The configuration of one context ("" = the current one). `where` names the kubeconfig in errors.
Result<Config> resolve_context(const Kubeconfig& kubeconfig, const std::string& context, const std::string& where,
                               const ConfigSources& sources);

/// Splits "https://host:port/prefix" into `config`. Query and fragment are dropped.
Result<void> parse_server_url(const std::string& url, Config& config);

}  // namespace kube
