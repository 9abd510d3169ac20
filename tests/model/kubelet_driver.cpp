#include "tests/model/kubelet_driver.hpp"

#include "kube/base/log.hpp"

namespace model {

namespace asio = boost::asio;

namespace {

constexpr kube::Duration kRetry = std::chrono::milliseconds(500);
/// A Pod with nothing to do is looked at again this much later; every change makes it due at once.
constexpr kube::Duration kIdle = std::chrono::hours(1);

std::string key_of(const Json& pod) {
    return string_at(pod, {"metadata", "namespace"}) + "/" + string_at(pod, {"metadata", "name"});
}

std::string path_of(const Json& pod) {
    return "/api/v1/namespaces/" + string_at(pod, {"metadata", "namespace"}) + "/pods/" +
           string_at(pod, {"metadata", "name"});
}

}  // namespace

KubeletDriver::KubeletDriver(asio::any_io_executor executor, kube::Clock& clock, kube::Client& client,
                             KubeletSettings settings)
    : clock_(clock), client_(client), kubelet_(std::move(settings)), wake_(executor), tasks_(std::move(executor)) {}

void KubeletDriver::track(const Json& pod) {
    const std::string key = key_of(pod);
    const auto known = pods_.find(key);
    if (known != pods_.end() &&
        string_at(known->second.pod, {"metadata", "uid"}) != string_at(pod, {"metadata", "uid"})) {
        drop(known->second.pod);
    }
    pods_.insert_or_assign(key, Tracked{pod, clock_.steady_now()});
    wake_.notify_all();
}

void KubeletDriver::drop(const Json& pod) {
    kubelet_.forget(string_at(pod, {"metadata", "uid"}));
    pods_.erase(key_of(pod));
}

asio::awaitable<void> KubeletDriver::register_node(std::stop_token stop) {
    const Json condition = {{"type", "Ready"},
                            {"status", "True"},
                            {"reason", "Pretended"},
                            {"message", "a pretend kubelet: nothing really runs"},
                            {"lastTransitionTime", format_time(clock_.now())}};
    Json node = {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", kubelet_.settings().node}}}};
    kube::ApiRequest create;
    create.method = "POST";
    create.path = "/api/v1/nodes";
    create.body = kube::dump_json(node);
    auto created = co_await client_.call(create, stop);
    if (!created && created.error().kind != kube::ErrorKind::already_exists) {
        kube::log::warn("kubelet", "the node could not be registered", {{"error", created.error().message}});
        co_return;
    }
    kube::ApiRequest status;
    status.method = "PATCH";
    status.path = "/api/v1/nodes/" + kubelet_.settings().node + "/status";
    status.content_type = kube::patch::kStrategicMerge;
    status.body = kube::dump_json({{"status", {{"conditions", Json::array({condition})}}}});
    (void)co_await client_.call(status, stop);
}

asio::awaitable<std::string> KubeletDriver::list(std::stop_token stop) {
    kube::ApiRequest request;
    request.path = "/api/v1/pods";
    auto body = co_await client_.call(request, stop);
    if (!body) {
        if (!stop.stop_requested())
            kube::log::warn("kubelet", "listing Pods failed", {{"error", body.error().message}});
        co_return "";
    }
    const auto parsed = kube::parse_json(*body);
    if (!parsed) co_return "";
    std::map<std::string, Tracked> gone = std::move(pods_);
    pods_.clear();
    for (const Json& pod : array_at(*parsed, {"items"})) {
        gone.erase(key_of(pod));
        track(pod);
    }
    for (const auto& [key, tracked] : gone) kubelet_.forget(string_at(tracked.pod, {"metadata", "uid"}));
    co_return string_at(*parsed, {"metadata", "resourceVersion"});
}

asio::awaitable<std::string> KubeletDriver::watch(std::string version, std::stop_token stop) {
    kube::ApiRequest request;
    request.path = "/api/v1/pods";
    request.query.emplace_back("watch", "1");
    request.query.emplace_back("resourceVersion", version);
    request.query.emplace_back("allowWatchBookmarks", "true");
    request.query.emplace_back("timeoutSeconds", "300");
    auto stream = co_await client_.watch(request, std::chrono::seconds(310), stop);
    if (!stream) co_return "";
    while (true) {
        auto line = co_await (*stream)->next(stop);
        if (!line || !*line) co_return line ? version : "";
        const auto event = kube::parse_json(**line);
        if (!event) co_return "";
        const std::string type = string_at(*event, {"type"});
        const Json* pod = find_at(*event, {"object"});
        if (type == "ERROR" || pod == nullptr) co_return "";
        version = string_at(*pod, {"metadata", "resourceVersion"});
        if (type == "ADDED" || type == "MODIFIED") track(*pod);
        if (type == "DELETED") drop(*pod);
    }
}

asio::awaitable<void> KubeletDriver::follow(std::stop_token stop) {
    std::string version;
    while (!stop.stop_requested()) {
        if (version.empty()) version = co_await list(stop);
        if (!version.empty()) version = co_await watch(version, stop);
        if (version.empty()) co_await kube::sleep_for(clock_, kRetry, stop);
    }
    wake_.notify_all();
}

asio::awaitable<void> KubeletDriver::look_at(std::string key, std::stop_token stop) {
    const auto found = pods_.find(key);
    if (found == pods_.end()) co_return;
    const Json pod = found->second.pod;
    const KubeletStep step = kubelet_.step(pod, clock_.now());
    found->second.due = clock_.steady_now() + step.check_again.value_or(kIdle);
    kube::ApiRequest request;
    if (step.bind) {
        request.method = "POST";
        request.path = path_of(pod) + "/binding";
        request.body = kube::dump_json({{"apiVersion", "v1"},
                                        {"kind", "Binding"},
                                        {"metadata", {{"name", string_at(pod, {"metadata", "name"})}}},
                                        {"target", {{"kind", "Node"}, {"name", kubelet_.settings().node}}}});
    } else if (step.remove) {
        request.method = "DELETE";
        request.path = path_of(pod);
        request.query.emplace_back("gracePeriodSeconds", "0");
        request.body = kube::dump_json({{"apiVersion", "v1"},
                                        {"kind", "DeleteOptions"},
                                        {"gracePeriodSeconds", 0},
                                        {"preconditions", {{"uid", string_at(pod, {"metadata", "uid"})}}}});
    } else if (step.status) {
        request.method = "PATCH";
        request.path = path_of(pod) + "/status";
        request.content_type = kube::patch::kStrategicMerge;
        request.body =
            kube::dump_json({{"metadata", {{"uid", string_at(pod, {"metadata", "uid"})}}}, {"status", *step.status}});
    } else {
        co_return;
    }
    auto answered = co_await client_.call(request, stop);
    if (answered || stop.stop_requested()) co_return;
    const kube::ErrorKind kind = answered.error().kind;
    if (kind == kube::ErrorKind::not_found || kind == kube::ErrorKind::conflict) co_return;
    kube::log::warn("kubelet", "a write failed", {{"pod", key}, {"error", answered.error().message}});
    const auto again = pods_.find(key);
    if (again != pods_.end()) again->second.due = clock_.steady_now() + kRetry;
}

asio::awaitable<void> KubeletDriver::act(std::stop_token stop) {
    const std::stop_callback on_stop(stop, [this] { wake_.notify_all(); });
    while (!stop.stop_requested()) {
        const kube::SteadyTime now = clock_.steady_now();
        std::string key;
        kube::SteadyTime next = now + kIdle;
        for (const auto& [name, tracked] : pods_) {
            if (tracked.due <= now) key = name;
            next = std::min(next, tracked.due);
        }
        if (!key.empty()) {
            co_await look_at(key, stop);
            continue;
        }
        const auto timer = clock_.call_at(next, [this] { wake_.notify_all(); });
        co_await wake_.wait();
    }
}

asio::awaitable<void> KubeletDriver::run(std::stop_token stop) {
    co_await register_node(stop);
    tasks_.spawn("kubelet watch", follow(stop));
    tasks_.spawn("kubelet actions", act(stop));
    co_await tasks_.join();
}

}  // namespace model
