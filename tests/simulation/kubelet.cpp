#include "tests/simulation/kubelet.hpp"

#include "tests/model/json_tools.hpp"

namespace simulation {

using model::Json;

namespace {

constexpr const char* kPods = "pods";

}  // namespace

Kubelet::Kubelet(kube::test::ManualClock& clock, model::Storage& storage, std::uint64_t seed)
    : clock_(clock), storage_(storage), kubelet_(model::KubeletSettings()), random_(seed) {
    storage_.on_change([this](const model::Change& change) { on_change(change); });
}

void Kubelet::on_change(const model::Change& change) {
    if (change.storage != kPods) return;
    if (change.removed) {
        kubelet_.forget(kube::string_at(*change.object, {"metadata", "uid"}));
        timers_.erase(change.ns + "/" + change.name);
        return;
    }
    const auto delay = std::chrono::milliseconds(1 + random_() % 300);
    look_later(change.ns, change.name, delay);
}

bool Kubelet::kill(const std::string& ns, const std::string& pod, const std::string& container) {
    const model::Object object = storage_.get(kPods, ns, pod);
    if (!object) return false;
    for (const Json& status : model::array_at(*object, {"status", "ephemeralContainerStatuses"})) {
        if (kube::string_at(status, {"name"}) != container || kube::find_at(status, {"state", "running"}) == nullptr)
            continue;
        kubelet_.kill(kube::string_at(*object, {"metadata", "uid"}), container);
        look_later(ns, pod, std::chrono::milliseconds(1 + random_() % 300));
        return true;
    }
    return false;
}

void Kubelet::look_later(const std::string& ns, const std::string& name, kube::Duration delay) {
    timers_[ns + "/" + name] = clock_.call_after(delay, [this, ns, name] {
        // Taken out first: what is done here asks for the next look.
        const auto own = timers_.extract(ns + "/" + name);
        look_at(ns, name);
    });
}

void Kubelet::look_at(const std::string& ns, const std::string& name) {
    const model::Object pod = storage_.get(kPods, ns, name);
    if (!pod) return;
    const model::KubeletStep step = kubelet_.step(*pod, clock_.now());
    if (step.remove) {
        storage_.remove(kPods, ns, name);
        return;
    }
    if (step.bind) {
        Json bound = *pod;
        bound["spec"]["nodeName"] = kubelet_.settings().node;
        storage_.put(kPods, ns, name, std::move(bound));
        return;
    }
    if (step.status) {
        Json changed = *pod;
        changed["status"] = *step.status;
        storage_.put(kPods, ns, name, std::move(changed));
    }
    if (step.check_again) look_later(ns, name, *step.check_again);
}

}  // namespace simulation
