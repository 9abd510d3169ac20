#include "controller/target_selection.hpp"

#include <algorithm>
#include <tuple>

namespace endoscope::controller {
namespace {

bool belongs_to(const PodView& pod, const api::Workload& workload) {
    if (workload.kind != "Deployment") return pod.owner_kind == workload.kind && pod.owner_name == workload.name;
    const auto hash = pod.labels.find("pod-template-hash");
    return hash != pod.labels.end() && pod.owner_kind == "ReplicaSet" &&
           pod.owner_name == workload.name + "-" + hash->second;
}

bool is_match(const PodView& pod, const api::Target& target) {
    if (pod.phase != "Running" || pod.deleting) return false;
    if (target.selector) return target.selector->matches(pod.labels);
    return target.workload && belongs_to(pod, *target.workload);
}

/// Ready before not ready, then the newest (timestamps of the API server are all UTC and compare as text).
bool is_better(const PodView* left, const PodView* right) {
    return std::tie(right->is_ready, right->created_at, left->name) <
           std::tie(left->is_ready, left->created_at, right->name);
}

}  // namespace

std::vector<const PodView*> select_pods(const api::Target& target, std::span<const PodView* const> pods) {
    std::vector<const PodView*> chosen;
    if (!target.pod_name.empty()) {
        const auto found = std::ranges::find(pods, target.pod_name, &PodView::name);
        if (found != pods.end()) chosen.push_back(*found);
        return chosen;
    }
    std::ranges::copy_if(pods, std::back_inserter(chosen), [&](const PodView* pod) { return is_match(*pod, target); });
    std::ranges::sort(chosen, is_better);
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(target.max_pods.value_or(1), 0));
    if (chosen.size() > most) chosen.resize(most);
    return chosen;
}

}  // namespace endoscope::controller
