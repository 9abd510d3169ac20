#include "controller/retention.hpp"

#include "api/debug_request_status.hpp"
#include "controller/injection.hpp"
#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace endoscope::controller {

namespace {

constexpr kube::Duration kSoonestLook = std::chrono::seconds(1);
constexpr kube::Duration kLatestLook = std::chrono::minutes(10);

/// Keys of labels that several tools share.
constexpr std::array<std::string_view, 3> kSharedKeys = {
    "app.kubernetes.io/instance",      // Argo CD tracks by it, Helm charts set it
    "app.kubernetes.io/managed-by",    // whoever it names
    "applyset.kubernetes.io/part-of",  // kubectl apply --applyset, kro, Config Sync
};

/// Prefixes of the keys of labels and annotations that the tools set. A prefix counts with its subdomains.
constexpr std::array<std::string_view, 15> kTools = {
    "argocd.argoproj.io",       // Argo CD: tracking-id, instance
    "cli-utils.sigs.k8s.io",    // kpt, cli-utils
    "config.k8s.io",            // cli-utils, Config Sync: owning-inventory
    "configmanagement.gke.io",  // Config Sync
    "configsync.gke.io",        // Config Sync
    "fleet.cattle.io",          // Rancher Fleet
    "fluxcd.controlplane.io",   // Flux Operator: resourceset.fluxcd.controlplane.io/name
    "fluxcd.io",                // Flux: kustomize.toolkit.fluxcd.io/name, helm.toolkit.fluxcd.io/name
    "helm.sh",                  // Helm: meta.helm.sh/release-name, helm.sh/hook
    "kapp.k14s.io",             // Carvel kapp: app, association
    "karmada.io",               // Karmada: work.karmada.io/name
    "kluctl.io",                // Kluctl: discriminator
    "objectset.rio.cattle.io",  // Rancher, k3s: hash, id
    "projectsveltos.io",        // Sveltos: reference-name
    "tanka.dev",                // Grafana Tanka: environment
};

bool is_tools(std::string_view key) {
    const std::string_view prefix = key.substr(0, std::min(key.find('/'), key.size()));
    return std::ranges::any_of(kTools, [&](std::string_view tool) {
        if (!prefix.ends_with(tool)) return false;
        return prefix.size() == tool.size() || prefix[prefix.size() - tool.size() - 1] == '.';
    });
}

bool is_list_with_items(const nlohmann::json* list) {
    return list != nullptr && list->is_array() && !list->empty();
}

bool has_session_finalizer(const nlohmann::json& object) {
    const auto* finalizers = kube::find_at(object, {"metadata", "finalizers"});
    return is_list_with_items(finalizers) &&
           std::ranges::find(*finalizers, nlohmann::json(api::kFinalizer)) != finalizers->end();
}

}  // namespace

bool is_managed(const nlohmann::json& object) {
    if (is_list_with_items(kube::find_at(object, {"metadata", "ownerReferences"}))) return true;
    const auto* labels = kube::find_at(object, {"metadata", "labels"});
    if (labels != nullptr && labels->is_object()) {
        for (const auto& [key, value] : labels->items()) {
            if (std::ranges::find(kSharedKeys, key) != kSharedKeys.end() || is_tools(key)) return true;
        }
    }
    const auto* annotations = kube::find_at(object, {"metadata", "annotations"});
    if (annotations == nullptr || !annotations->is_object()) return false;
    return std::ranges::any_of(annotations->items(), [](const auto& item) { return is_tools(item.key()); });
}

std::optional<kube::WallTime> removable_since(const nlohmann::json& object) {
    const auto phase = api::phase_from_string(kube::string_at(object, {"status", "phase"}));
    if (!phase || !api::is_terminal(*phase)) return std::nullopt;
    const auto ended = kube::parse_time(kube::string_at(object, {"status", "finishedAt"}));
    if (!ended || is_managed(object) || has_session_finalizer(object)) return std::nullopt;
    // Of several Pods, some may have failed while another outlives its deadline.
    const bool may_still_run = *phase == api::Phase::expired || *phase == api::Phase::failed;
    if (may_still_run && is_still_running(api::parse_status(object["status"]))) return std::nullopt;
    return ended;
}

RetentionPlan plan_retention(const std::vector<std::shared_ptr<const CachedRequest>>& requests, kube::WallTime now,
                             kube::Duration retain) {
    RetentionPlan plan{.due = {}, .next_look = std::clamp(retain / 10, kSoonestLook, kLatestLook)};
    for (const auto& request : requests) {
        if (!request->removable_since || request->deleting) continue;
        const kube::Duration left = *request->removable_since + retain - now;
        if (left <= kube::Duration::zero()) {
            plan.due.push_back(request);
        } else {
            plan.next_look = std::min(plan.next_look, left);
        }
    }
    std::ranges::sort(plan.due, {}, [](const auto& request) { return *request->removable_since; });
    return plan;
}

}  // namespace endoscope::controller
