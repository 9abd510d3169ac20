#include "tests/model/pretend_kubelet.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace model {

namespace {

using std::chrono::milliseconds;

/// How a container ends by itself: after how long and with which code.
struct Fate {
    std::optional<kube::Duration> after;
    int exit_code = 0;
};

std::optional<double> number(const std::string& text) {
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || value < 0) return std::nullopt;
    return std::min(value, 1e6);
}

/// Reads "sleep N", "exit N" and "sleep N; exit M", as argv or as what a shell gets after -c.
std::optional<Fate> fate_of_command(const Json& container) {
    std::vector<std::string> words = strings_at(container, {"command"});
    for (std::string& word : strings_at(container, {"args"})) words.push_back(std::move(word));
    const auto flag = std::ranges::find(words, "-c");
    if (flag != words.end() && std::next(flag) != words.end()) {
        std::string script = *std::next(flag);
        std::ranges::replace(script, ';', ' ');
        std::ranges::replace(script, '&', ' ');
        words.clear();
        for (std::string& word : split(script, ' ')) {
            if (!word.empty()) words.push_back(std::move(word));
        }
    }
    std::optional<Fate> fate;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string word = words[i].substr(words[i].rfind('/') + 1);
        const std::string next = i + 1 < words.size() ? words[i + 1] : "";
        if (word == "sleep" && next == "infinity") return Fate{};
        if (word == "sleep" && number(next)) {
            fate = fate.value_or(Fate{});
            fate->after = milliseconds(static_cast<long long>(*number(next) * 1000));
        } else if (word == "exit" && number(next)) {
            if (!fate) fate = Fate{milliseconds(0), 0};
            fate->exit_code = static_cast<int>(*number(next)) & 0xff;
        } else if (word == "true" || word == "false") {
            fate = Fate{milliseconds(0), word == "true" ? 0 : 1};
        }
    }
    return fate;
}

/// What the kubelet could not even ask a runtime to pull.
bool invalid_image_name(const std::string& image) {
    std::string name = image.substr(0, image.find('@'));
    const std::size_t slash = name.rfind('/');
    const std::size_t colon = name.rfind(':');
    if (colon != std::string::npos && (slash == std::string::npos || colon > slash)) name.resize(colon);
    // For tests that cannot get a bad reference past the verdict.
    if (name.find("invalid-name") != std::string::npos) return true;
    const bool upper = std::ranges::any_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
    const bool odd =
        std::ranges::any_of(image, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\\'; });
    return upper || odd || image.find("://") != std::string::npos || image.find("//") != std::string::npos;
}

bool has(const std::string& image, std::string_view part) {
    return image.find(part) != std::string::npos;
}

std::string fake_hash(const std::string& of) {
    std::string out;
    std::uint64_t hash = 14695981039346656037ULL;
    for (int round = 0; round < 4; ++round) {
        for (const char c : of) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
        char text[20];
        std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
        out += text;
    }
    return out;
}

void sooner(std::optional<kube::Duration>& again, kube::Duration when) {
    again = again ? std::min(*again, when) : when;
}

Json waiting(const std::string& reason, const std::string& message = {}) {
    Json out = {{"reason", reason}};
    if (!message.empty()) out["message"] = message;
    return {{"waiting", std::move(out)}};
}

const Json* status_named(const Json& pod, const char* list, const std::string& name) {
    for (const Json& status : array_at(pod, {"status", list})) {
        if (string_at(status, {"name"}) == name) return &status;
    }
    return nullptr;
}

void sort_by_name(Json& list) {
    std::sort(list.begin(), list.end(),
              [](const Json& a, const Json& b) { return string_at(a, {"name"}) < string_at(b, {"name"}); });
}

Json condition(const char* type, bool holds, const Json& pod, const std::string& now) {
    const char* status = holds ? "True" : "False";
    for (const Json& old : array_at(pod, {"status", "conditions"})) {
        if (string_at(old, {"type"}) == type && string_at(old, {"status"}) == status) return old;
    }
    return {{"type", type}, {"status", status}, {"lastTransitionTime", now}};
}

}  // namespace

void PretendKubelet::forget(const std::string& uid) {
    seen_.erase(uid);
}

Json PretendKubelet::running_or_ended(const Json& pod, const Json& container, bool ephemeral, Seen& seen,
                                      kube::WallTime now, std::optional<kube::Duration>& again) const {
    const std::string image = string_at(container, {"image"});
    const std::string name = string_at(container, {"name"});
    if (!seen.started) seen.started = now;
    std::optional<Fate> fate = fate_of_command(container);
    const bool may_end = ephemeral || string_at(pod, {"spec", "restartPolicy"}) == "Never";
    if (!may_end) fate = Fate{};
    if (!fate) fate = ephemeral ? Fate{settings_.default_run_time, 0} : Fate{};
    Json ended = {{"exitCode", fate->exit_code},
                  {"reason", fate->exit_code == 0 ? "Completed" : "Error"},
                  {"startedAt", format_time(*seen.started)},
                  {"finishedAt", format_time(now)},
                  {"containerID", "model://" + fake_hash(string_at(pod, {"metadata", "uid"}) + name)}};
    if (has(image, "bad-start-error")) {
        ended["exitCode"] = 128;
        ended["reason"] = "StartError";
        ended["message"] = "failed to create containerd task: failed to create shim task: exec: \"" +
                           join(strings_at(container, {"command"}), " ") +
                           "\": executable file not found in $PATH: unknown";
        ended["startedAt"] = "1970-01-01T00:00:00Z";
        return {{"terminated", std::move(ended)}};
    }
    if (seen.killed) {
        ended["exitCode"] = 137;
        ended["reason"] = "Error";
        return {{"terminated", std::move(ended)}};
    }
    if (fate->after) {
        const kube::Duration left = *fate->after - (now - *seen.started);
        if (left <= kube::Duration::zero()) return {{"terminated", std::move(ended)}};
        sooner(again, left);
    }
    return {{"running", {{"startedAt", format_time(*seen.started)}}}};
}

Json PretendKubelet::container_status(const Json& pod, const Json& container, bool ephemeral, kube::WallTime now,
                                      std::optional<kube::Duration>& again) {
    const std::string uid = string_at(pod, {"metadata", "uid"});
    const std::string name = string_at(container, {"name"});
    const std::string image = string_at(container, {"image"});
    const Json* before = status_named(pod, ephemeral ? "ephemeralContainerStatuses" : "containerStatuses", name);
    if (before != nullptr && find_at(*before, {"state", "terminated"}) != nullptr) return *before;
    Seen& seen = seen_[uid].try_emplace(name, Seen{.first = now, .started = std::nullopt}).first->second;
    Json out = {{"name", name},    {"image", image},    {"imageID", ""},
                {"ready", false},  {"restartCount", 0}, {"lastState", Json::object()},
                {"started", false}};
    const kube::Duration since = now - seen.first;
    if (has(image, "never-starts")) {
        out["state"] = waiting("ContainerCreating");
    } else if (since < settings_.start_delay) {
        out["state"] = waiting("ContainerCreating");
        sooner(again, settings_.start_delay - since);
    } else if (invalid_image_name(image)) {
        out["state"] = waiting("InvalidImageName", "Failed to apply default image tag \"" + image +
                                                       "\": couldn't parse image name \"" + image +
                                                       "\": invalid reference format");
    } else if (string_at(container, {"imagePullPolicy"}) == "Never") {
        out["state"] =
            waiting("ErrImageNeverPull", "Container image \"" + image + "\" is not present with pull policy of Never");
    } else if (has(image, "missing")) {
        const kube::Duration failing = since - settings_.start_delay;
        if (failing < settings_.back_off_delay) {
            out["state"] = waiting("ErrImagePull", "failed to pull and unpack image \"" + image +
                                                       "\": failed to resolve reference \"" + image + "\": " + image +
                                                       ": not found");
            sooner(again, settings_.back_off_delay - failing);
        } else {
            out["state"] = waiting("ImagePullBackOff", "Back-off pulling image \"" + image + "\"");
        }
    } else if (has(image, "bad-config")) {
        out["state"] = waiting("CreateContainerConfigError",
                               "container has runAsNonRoot and image will run as root (pod: \"" +
                                   string_at(pod, {"metadata", "name"}) + "\", container: " + name + ")");
    } else if (has(image, "bad-start") && !has(image, "bad-start-error")) {
        out["state"] =
            waiting("RunContainerError", "failed to create containerd task: failed to create shim task: exec: \"" +
                                             join(strings_at(container, {"command"}), " ") +
                                             "\": executable file not found in $PATH: unknown");
    } else {
        out["state"] = running_or_ended(pod, container, ephemeral, seen, now, again);
        const bool running = out["state"].contains("running");
        out["imageID"] = image.substr(0, image.find('@')) + "@sha256:" + fake_hash(image);
        out["containerID"] = "model://" + fake_hash(uid + name);
        // A debug container has no readiness: the kubelet reports false.
        out["ready"] = running && !ephemeral;
        out["started"] = running && !ephemeral;
    }
    if (ephemeral) out.erase("started");
    return out;
}

void PretendKubelet::kill(const std::string& uid, const std::string& container) {
    const auto pod = seen_.find(uid);
    if (pod == seen_.end()) return;
    const auto found = pod->second.find(container);
    if (found != pod->second.end() && found->second.started) found->second.killed = true;
}

KubeletStep PretendKubelet::step(const Json& pod, kube::WallTime now) {
    KubeletStep out;
    const std::string uid = string_at(pod, {"metadata", "uid"});
    const std::string node = string_at(pod, {"spec", "nodeName"});
    const std::string phase = string_at(pod, {"status", "phase"});
    if (node.empty()) {
        // As the scheduler does: a Pod with scheduling gates waits.
        out.bind = settings_.schedule && string_at(pod, {"metadata", "deletionTimestamp"}).empty() &&
                   array_at(pod, {"spec", "schedulingGates"}).empty();
        return out;
    }
    if (!string_at(pod, {"metadata", "deletionTimestamp"}).empty()) {
        const kube::WallTime first =
            seen_[uid].try_emplace(" deleted", Seen{.first = now, .started = std::nullopt}).first->second.first;
        const kube::Duration since = now - first;
        out.remove = since >= settings_.stop_delay;
        if (!out.remove) out.check_again = settings_.stop_delay - since;
        return out;
    }
    if (phase == "Succeeded" || phase == "Failed") return out;

    const Json* old = find_at(pod, {"status"});
    Json status = old != nullptr && old->is_object() ? *old : Json::object();
    Json containers = Json::array();
    bool all_running = true;
    bool all_ended = true;
    bool failed = false;
    bool any_started = false;
    for (const Json& container : array_at(pod, {"spec", "containers"})) {
        Json one = container_status(pod, container, false, now, out.check_again);
        const bool running = find_at(one, {"state", "running"}) != nullptr;
        const Json* ended = find_at(one, {"state", "terminated"});
        all_running = all_running && running;
        all_ended = all_ended && ended != nullptr;
        any_started = any_started || running || ended != nullptr;
        failed = failed || (ended != nullptr && (*ended)["exitCode"] != 0);
        containers.push_back(std::move(one));
    }
    sort_by_name(containers);
    status["containerStatuses"] = std::move(containers);
    Json debuggers = Json::array();
    for (const Json& container : array_at(pod, {"spec", "ephemeralContainers"})) {
        debuggers.push_back(container_status(pod, container, true, now, out.check_again));
    }
    if (!debuggers.empty()) {
        sort_by_name(debuggers);
        status["ephemeralContainerStatuses"] = std::move(debuggers);
    }
    const std::string stamp = format_time(now);
    status["phase"] = all_ended ? (failed ? "Failed" : "Succeeded") : any_started ? "Running" : "Pending";
    status["conditions"] = Json::array();
    for (const char* type : {"Initialized", "PodScheduled", "PodReadyToStartContainers"}) {
        status["conditions"].push_back(condition(type, true, pod, stamp));
    }
    for (const char* type : {"ContainersReady", "Ready"}) {
        status["conditions"].push_back(condition(type, all_running, pod, stamp));
    }
    set_default(status, "startTime", stamp);
    status["hostIP"] = "192.0.2.1";
    status["hostIPs"] = Json::array({Json{{"ip", "192.0.2.1"}}});
    status["podIP"] = "198.51.100.1";
    status["podIPs"] = Json::array({Json{{"ip", "198.51.100.1"}}});
    if (const Json* generation = find_at(pod, {"metadata", "generation"}); generation != nullptr) {
        status["observedGeneration"] = *generation;
    }
    if (old == nullptr || status != *old) out.status = std::move(status);
    return out;
}

}  // namespace model
