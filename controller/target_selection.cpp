#include "controller/target_selection.hpp"

#include <algorithm>
#include <tuple>

namespace endoscope::controller {
namespace {

bool is_controlled_by(const PodView& pod, std::string_view group, std::string_view kind, std::string_view name) {
    return pod.owner_group == group && pod.owner_kind == kind && pod.owner_name == name;
}

bool belongs_to(const PodView& pod, const api::Workload& workload) {
    if (workload.kind == "Job") return is_controlled_by(pod, "batch", workload.kind, workload.name);
    if (workload.kind != "Deployment") return is_controlled_by(pod, "apps", workload.kind, workload.name);
    const auto hash = pod.labels.find("pod-template-hash");
    if (hash == pod.labels.end()) return false;
    // A hash has no '-': the ReplicaSet "web-api-5d4" is not of Deployment "web", whatever the label says.
    return !hash->second.empty() && !hash->second.contains('-') &&
           is_controlled_by(pod, "apps", "ReplicaSet", workload.name + "-" + hash->second);
}

bool can_be_chosen(const PodView& pod) {
    return pod.phase == "Running" && !pod.deleting;
}

/// Ready before not ready, then the newest (timestamps of the API server are all UTC and compare as text).
bool is_better(const PodView* left, const PodView* right) {
    return std::tie(right->is_ready, right->created_at, left->name) <
           std::tie(left->is_ready, left->created_at, right->name);
}

}  // namespace

bool matches(const PodView& pod, const api::Target& target) {
    if (!target.pod_name.empty()) return pod.name == target.pod_name;
    if (target.selector) return target.selector->matches(pod.labels);
    return target.workload && belongs_to(pod, *target.workload);
}

std::vector<const PodView*> select_pods(const api::Target& target, std::span<const PodView* const> pods) {
    const bool is_named = !target.pod_name.empty();
    std::vector<const PodView*> chosen;
    std::ranges::copy_if(pods, std::back_inserter(chosen), [&](const PodView* pod) {
        return matches(*pod, target) && (is_named || can_be_chosen(*pod));
    });
    std::ranges::sort(chosen, is_better);
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(target.max_pods.value_or(1), 0));
    if (chosen.size() > most) chosen.resize(most);
    return chosen;
}

}  // namespace endoscope::controller
