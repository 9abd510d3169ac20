#include "controller/pod_follower.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/resource_version.hpp"
#include "kube/runtime/store.hpp"

#include <nlohmann/json.hpp>

#include <functional>

namespace endoscope::controller {
namespace asio = boost::asio;

namespace {

constexpr kube::Duration kLookAgain = std::chrono::seconds(1);

std::string pods_path(const std::string& ns) {
    return "/api/v1/namespaces/" + kube::percent_encode(ns) + "/pods";
}

std::optional<PodView> view_of(const nlohmann::json& object) {
    auto view = parse_pod(object);
    if (view) return std::move(*view);
    kube::log::warn("follower", "a Pod cannot be read; keeping its last state",
                    {{"pod", kube::object_key(object)}, {"error", view.error().text()}});
    return std::nullopt;
}

}  // namespace

/// One Pod that somebody follows.
struct PodFollower::Target {
    std::shared_ptr<const PodView> pod;
    std::set<std::string> requests;
    bool listed = false;  ///< In the list that is being read.
};

/// The sink of one reflector: of one Pod, or of those of a namespace.
class PodFollower::Watch final : public kube::ReflectorSink {
  public:
    Watch(PodFollower& owner, std::string ns, std::string pod, std::string first_version)
        : owner_(owner), ns_(std::move(ns)), only_(std::move(pod)), first_version_(std::move(first_version)) {}

    void begin_replace() override {
        for (auto& [name, target] : targets) target.listed = false;
    }
    void replace_item(const nlohmann::json& object) override {
        Target* const target = target_of(object);
        if (target == nullptr) return;
        target->listed = true;
        // A list is the truth of its moment: another Pod of the name may have come, also one with an older version.
        if (auto view = view_of(object)) take(*target, std::move(*view));
    }
    void replace_remove(const nlohmann::json& object) override {
        if (Target* const target = target_of(object)) target->listed = false;
    }
    void end_replace() override {
        for (auto& [name, target] : targets) {
            if (!target.listed) set(target, nullptr);
        }
    }
    void upsert(const nlohmann::json& object) override {
        Target* const target = target_of(object);
        if (target == nullptr) return;
        if (auto view = view_of(object)) take(*target, std::move(*view));
    }
    void remove(const nlohmann::json& object) override {
        Target* const target = target_of(object);
        // A Pod that is followed anew is not the one whose end is told late.
        if (target == nullptr) return;
        if (target->pod && target->pod->uid != kube::string_at(object, {"metadata", "uid"})) return;
        set(*target, nullptr);
    }

    kube::ReflectorOptions options() const {
        kube::ReflectorOptions options;
        options.name = "pod " + ns_ + "/" + (only_.empty() ? "*" : only_);
        options.path = pods_path(ns_);
        if (!only_.empty()) options.selectors = {{"fieldSelector", "metadata.name=" + only_}};
        options.seed = std::hash<std::string>()(ns_ + "/" + only_);
        options.resume_from = first_version_;
        options.priority = kube::RequestPriority::normal;  // a session waits for it
        options.drop_managed_fields = true;
        options.observer = owner_.observer_;
        return options;
    }

    /// Takes the Pod unless a newer state of it is known.
    void take(Target& target, PodView pod) {
        const bool is_known = target.pod && target.pod->uid == pod.uid;
        if (is_known && pod.resource_version == target.pod->resource_version) return;
        if (is_known && kube::is_older(pod.resource_version, target.pod->resource_version)) return;
        set(target, std::make_shared<const PodView>(std::move(pod)));
    }
    void set(Target& target, std::shared_ptr<const PodView> pod) {
        if (!pod && !target.pod) return;
        target.pod = std::move(pod);
        for (const std::string& key : target.requests) owner_.notify_(key);
    }
    const std::string& ns() const { return ns_; }

    std::map<std::string, Target> targets;  ///< By Pod name.
    std::stop_source stop;

  private:
    Target* target_of(const nlohmann::json& object) {
        const auto found = targets.find(kube::string_at(object, {"metadata", "name"}));
        return found == targets.end() ? nullptr : &found->second;
    }

    PodFollower& owner_;
    std::string ns_;
    std::string only_;  ///< Empty: the whole namespace.
    std::string first_version_;
};

PodFollower::PodFollower(asio::any_io_executor executor, kube::Client& client, kube::Clock& clock, Notify notify,
                         kube::ReflectorObserver* observer, std::size_t most_watches)
    : executor_(executor),
      client_(client),
      clock_(clock),
      notify_(std::move(notify)),
      observer_(observer),
      most_watches_(most_watches),
      tasks_(executor) {}

PodFollower::~PodFollower() = default;

/// The key of the watch that a Pod belongs to, whether or not it runs yet.
std::string PodFollower::watch_for(const PodView& pod) const {
    std::string own = pod.namespace_name + "/" + pod.name;
    std::string shared = pod.namespace_name + "/";
    if (watches_.contains(own)) return own;
    if (watches_.contains(shared)) return shared;
    return watches_.size() < most_watches_ ? own : shared;
}

void PodFollower::follow(const std::string& request_key, PodView seen) {
    const std::string key = watch_for(seen);
    const auto known = places_.find(request_key);
    if (known != places_.end() && (known->second.watch != key || known->second.pod != seen.name)) unfollow(request_key);
    places_[request_key] = {.watch = key, .pod = seen.name};
    auto& watch = watches_[key];
    const bool is_shared = key.ends_with('/');
    const auto before = watch ? watch->targets.find(seen.name) : decltype(watch->targets.find(seen.name))();
    const bool is_followed = watch && before != watch->targets.end();
    if (is_followed && before->second.pod && before->second.pod->uid == seen.uid) {
        // The running watch delivers every state after the one it has.
        before->second.requests.insert(request_key);
        return;
    }
    std::set<std::string> requests;
    if (is_followed) requests = std::move(before->second.requests);
    requests.insert(request_key);
    if (watch && !is_shared) {
        watch->stop.request_stop();
        watch.reset();
    }
    const bool is_new = watch == nullptr;
    const std::string name = seen.name;
    if (is_new) {
        watch = std::make_shared<Watch>(*this, seen.namespace_name, is_shared ? "" : name, seen.resource_version);
        tasks_.spawn("pod watch", run(watch));
    }
    Target& target = watch->targets[name];
    target.requests = std::move(requests);
    target.pod = std::make_shared<const PodView>(std::move(seen));
    // A running watch may have passed, and dropped, what happened to the Pod since it was seen.
    if (!is_new) tasks_.spawn("pod look", look(watch, name));
}

asio::awaitable<void> PodFollower::run(std::shared_ptr<Watch> watch) {
    kube::Reflector reflector(client_, clock_, *watch, watch->options());
    co_await reflector.run(watch->stop.get_token());
}

asio::awaitable<void> PodFollower::look(std::shared_ptr<Watch> watch, std::string pod) {
    const std::stop_token stop = watch->stop.get_token();
    while (!stop.stop_requested()) {
        kube::ApiRequest get;
        get.path = pods_path(watch->ns()) + "/" + kube::percent_encode(pod);
        const auto body = co_await client_.call(std::move(get), stop);
        const auto object = body ? kube::parse_json(*body) : std::unexpected(body.error());
        const auto target = watch->targets.find(pod);
        if (target == watch->targets.end()) co_return;
        if (object) {
            if (auto view = view_of(*object)) watch->take(target->second, std::move(*view));
            co_return;
        }
        if (object.error().kind == kube::ErrorKind::not_found) {
            watch->set(target->second, nullptr);
            co_return;
        }
        co_await kube::sleep_for(clock_, kLookAgain, stop);
    }
}

PodFollower::Target* PodFollower::find(const std::string& request_key) const {
    const auto place = places_.find(request_key);
    if (place == places_.end()) return nullptr;
    const auto watch = watches_.find(place->second.watch);
    if (watch == watches_.end()) return nullptr;
    const auto target = watch->second->targets.find(place->second.pod);
    return target == watch->second->targets.end() ? nullptr : &target->second;
}

void PodFollower::update(const std::string& request_key, std::shared_ptr<const PodView> pod) {
    Target* const target = find(request_key);
    if (target == nullptr) return;
    const auto& watch = watches_.at(places_.at(request_key).watch);
    if (pod) {
        watch->take(*target, *pod);
    } else {
        watch->set(*target, nullptr);
    }
}

void PodFollower::unfollow(const std::string& request_key) {
    const auto place = places_.extract(request_key);
    if (place.empty()) return;
    const auto watch = watches_.find(place.mapped().watch);
    if (watch == watches_.end()) return;
    const auto target = watch->second->targets.find(place.mapped().pod);
    if (target == watch->second->targets.end()) return;
    target->second.requests.erase(request_key);
    if (!target->second.requests.empty()) return;
    watch->second->targets.erase(target);
    if (!watch->second->targets.empty()) return;
    watch->second->stop.request_stop();
    watches_.erase(watch);
}

std::shared_ptr<const PodView> PodFollower::pod(const std::string& request_key) const {
    const Target* const target = find(request_key);
    return target == nullptr ? nullptr : target->pod;
}

asio::awaitable<void> PodFollower::stop() {
    for (const auto& [key, watch] : watches_) watch->stop.request_stop();
    watches_.clear();
    places_.clear();
    co_await tasks_.join();
}

}  // namespace endoscope::controller
