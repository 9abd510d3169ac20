#pragma once

#include "tests/model/api_server.hpp"
#include "tests/model/json_tools.hpp"
#include "tests/simulation/plan.hpp"

#include <cstdint>
#include <string>

/// What is in the simulated cluster before anything happens, and what people put there.
namespace simulation {

inline constexpr const char* kRequestTable = "endoscope.dev/debugrequests";
inline constexpr const char* kPolicyTable = "endoscope.dev/debugpolicies";
inline constexpr const char* kNamespace = "shop";
/// May debug Pods; others may only write requests.
inline constexpr const char* kAuthorisedUser = "alice";

/// CRDs, namespaces, rights (those of manifests/ for the operator), webhook configurations and a policy.
void furnish(model::Cluster& cluster, Ending ending);
void put_webhooks(model::Cluster& cluster);
void remove_webhooks(model::Cluster& cluster);

/// The Secret of the seal keys; nullptr: there is none.
model::Object find_seal_secret(model::Cluster& cluster);
void put_seal_secret(model::Cluster& cluster, model::Json object);
void remove_seal_secret(model::Cluster& cluster);

/// A running Pod, as the kubelet would show it.
void put_pod(model::Cluster& cluster, int which);
std::string pod_name(int which);

/// The policy: 0 tight (no image passes), 1 as at the start.
void put_policy(model::Cluster& cluster, std::int64_t how, Ending ending);

struct Author {
    std::string user;
    model::Json request;
};
/// Request `which` of that seed, as its author writes it.
Author make_request(std::uint64_t seed, int which);
std::string request_name(int which);

}  // namespace simulation
