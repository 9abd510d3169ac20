#include "controller/pod_follower.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>

#include <functional>

namespace endoscope::controller {
namespace asio = boost::asio;

/// One Pod: a sink for its reflector, and who is interested in it.
class PodFollower::Watch final : public kube::ReflectorSink {
  public:
    Watch(PodFollower& owner, PodView seen)
        : owner_(owner),
          ns_(seen.namespace_name),
          name_(seen.name),
          first_version_(seen.resource_version),
          pod_(std::make_shared<const PodView>(std::move(seen))) {}

    void begin_replace() override { found_ = false; }
    void replace_item(const nlohmann::json& object) override {
        found_ = true;
        upsert(object);
    }
    void replace_remove(const nlohmann::json& /*object*/) override { found_ = false; }
    void end_replace() override {
        if (!found_) set(nullptr);
    }
    void upsert(const nlohmann::json& object) override {
        auto view = parse_pod(object);
        if (!view) {
            kube::log::warn("follower", "a Pod cannot be read; keeping its last state",
                            {{"pod", ns_ + "/" + name_}, {"error", view.error().text()}});
            return;
        }
        set(std::make_shared<const PodView>(std::move(*view)));
    }
    void remove(const nlohmann::json& /*object*/) override { set(nullptr); }

    kube::ReflectorOptions options() const {
        kube::ReflectorOptions options;
        options.name = "pod " + ns_ + "/" + name_;
        options.path = "/api/v1/namespaces/" + kube::percent_encode(ns_) + "/pods";
        options.selectors = {{"fieldSelector", "metadata.name=" + name_}};
        options.seed = std::hash<std::string>()(ns_ + "/" + name_);
        options.resume_from = first_version_;
        options.priority = kube::RequestPriority::normal;  // a session waits for it
        options.drop_managed_fields = true;
        options.observer = owner_.observer_;
        return options;
    }

    void set(std::shared_ptr<const PodView> pod) {
        pod_ = std::move(pod);
        for (const std::string& key : requests) owner_.notify_(key);
    }
    const std::shared_ptr<const PodView>& pod() const { return pod_; }

    std::set<std::string> requests;
    std::stop_source stop;

  private:
    PodFollower& owner_;
    std::string ns_;
    std::string name_;
    std::string first_version_;
    std::shared_ptr<const PodView> pod_;
    bool found_ = false;
};

PodFollower::PodFollower(asio::any_io_executor executor, kube::Client& client, kube::Clock& clock, Notify notify,
                         kube::ReflectorObserver* observer)
    : executor_(executor),
      client_(client),
      clock_(clock),
      notify_(std::move(notify)),
      observer_(observer),
      tasks_(executor) {}

PodFollower::~PodFollower() = default;

void PodFollower::follow(const std::string& request_key, PodView seen) {
    const std::string pod_key = seen.namespace_name + "/" + seen.name;
    const auto known = pod_of_.find(request_key);
    if (known != pod_of_.end() && known->second != pod_key) unfollow(request_key);
    pod_of_[request_key] = pod_key;
    auto& watch = watches_[pod_key];
    if (watch && watch->pod() != nullptr && watch->pod()->uid == seen.uid) {
        // The running watch delivers every state after the one it has.
        watch->requests.insert(request_key);
        return;
    }
    std::set<std::string> requests;
    if (watch) {
        requests = std::move(watch->requests);
        watch->stop.request_stop();
    }
    watch = std::make_shared<Watch>(*this, std::move(seen));
    watch->requests = std::move(requests);
    watch->requests.insert(request_key);
    tasks_.spawn("pod watch", run(watch));
}

asio::awaitable<void> PodFollower::run(std::shared_ptr<Watch> watch) {
    kube::Reflector reflector(client_, clock_, *watch, watch->options());
    co_await reflector.run(watch->stop.get_token());
}

void PodFollower::unfollow(const std::string& request_key) {
    const auto known = pod_of_.find(request_key);
    if (known == pod_of_.end()) return;
    const auto watch = watches_.find(known->second);
    if (watch != watches_.end()) {
        watch->second->requests.erase(request_key);
        if (watch->second->requests.empty()) {
            watch->second->stop.request_stop();
            watches_.erase(watch);
        }
    }
    pod_of_.erase(known);
}

std::shared_ptr<const PodView> PodFollower::pod(const std::string& request_key) const {
    const auto known = pod_of_.find(request_key);
    if (known == pod_of_.end()) return nullptr;
    const auto watch = watches_.find(known->second);
    return watch == watches_.end() ? nullptr : watch->second->pod();
}

asio::awaitable<void> PodFollower::stop() {
    for (const auto& [key, watch] : watches_) watch->stop.request_stop();
    watches_.clear();
    pod_of_.clear();
    co_await tasks_.join();
}

}  // namespace endoscope::controller
