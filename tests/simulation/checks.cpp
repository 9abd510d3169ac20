#include "tests/simulation/checks.hpp"

#include "api/debug_request.hpp"
#include "controller/container.hpp"
#include "controller/injection.hpp"
#include "controller/pod_view.hpp"
#include "controller/verdict.hpp"
#include "tests/simulation/cluster_objects.hpp"
#include "tests/simulation/operator_process.hpp"

#include <algorithm>

namespace simulation {
namespace controller = endoscope::controller;
namespace api = endoscope::api;
using kube::find_at;
using kube::string_at;
using model::array_at;
using model::Json;

namespace {

constexpr kube::Duration kWindow = std::chrono::seconds(10);
/// A process that asks more than this in ten seconds runs in a circle.
constexpr std::size_t kMostCalls = 3000;
constexpr std::size_t kMostConnections = 80;
/// Four watches, one or two for each Pod, and what is kept for the next requests.
constexpr std::size_t kMostConnectionsAtRest = 40;
/// From 5 ms doubled each time, so many failures of one key fit into ten seconds.
constexpr std::size_t kMostFailures = 12;

std::string request_of(const Json& container) {
    for (const Json& variable : array_at(container, {"env"})) {
        if (string_at(variable, {"name"}) == "ENDOSCOPE_REQUEST") return string_at(variable, {"value"});
    }
    return "";
}

bool has_container(const Json& pod, const std::string& name) {
    return std::ranges::any_of(array_at(pod, {"spec", "ephemeralContainers"}),
                               [&](const Json& container) { return string_at(container, {"name"}) == name; });
}

/// Counts one more, forgets those older than the window, and tells how many there are.
std::size_t count(std::deque<kube::SteadyTime>& times, kube::SteadyTime now) {
    times.push_back(now);
    while (times.front() + kWindow < now) times.pop_front();
    return times.size();
}

bool is_terminal_word(const std::string& phase) {
    return phase == "Succeeded" || phase == "Failed" || phase == "Denied" || phase == "Expired";
}

}  // namespace

Checks::Checks(kube::test::ManualClock& clock, model::Cluster& cluster, bool several_replicas, bool clocks_jump)
    : clock_(clock), cluster_(cluster), clocks_jump_(clocks_jump), changed_hands_(several_replicas) {
    cluster_.storage.on_change([this](const model::Change& change) { on_change(change); });
}

void Checks::violated(std::string invariant, std::string details) {
    if (!violation_) violation_ = Violation{std::move(invariant), std::move(details)};
}

void Checks::on_change(const model::Change& change) {
    if (change.storage == "pods") on_pod(change);
    if (change.storage == kRequestTable) on_request(change);
    if (change.storage == "secrets") on_secret(change);
    if (change.storage == kPolicyTable) {
        Policies all;
        for (const auto& object : cluster_.storage.list(kPolicyTable, ""))
            all.push_back(controller::CompiledPolicy::from_json(*object));
        policies_.push_back(std::move(all));
    }
    if (change.storage != "coordination.k8s.io/leases" && change.storage != "events")
        count(changes_.times, clock_.steady_now());
}

void Checks::on_pod(const model::Change& change) {
    Pod& pod = pods_[string_at(*change.object, {"metadata", "uid"})];
    pod.name = change.name;
    pod.gone = change.removed;
    if (change.removed) return;
    for (const Json& container : array_at(*change.object, {"spec", "ephemeralContainers"})) {
        const std::string name = string_at(container, {"name"});
        if (!change.before || !has_container(*change.before, name))
            check_injection(change.before ? *change.before : Json::object(), *change.object, container);
    }
    for (const Json& status : array_at(*change.object, {"status", "ephemeralContainerStatuses"})) {
        const auto known = pod.containers.find(string_at(status, {"name"}));
        if (known == pod.containers.end()) continue;
        if (find_at(status, {"state", "running"}) != nullptr) known->second.was_running = true;
        if (const Json* code = find_at(status, {"state", "terminated", "exitCode"})) {
            known->second.ended = true;
            known->second.exit_codes.insert(code->get<std::int64_t>());
        }
    }
}

void Checks::on_secret(const model::Change& change) {
    if (change.removed) {
        kept_.clear();
        sealing_.clear();
        keys_were_lost_ = true;
        return;
    }
    const auto content = controller::parse_seal_secret(*change.object);
    if (!content) return;  // spoilt by the plan, and repaired later
    check_rotation(*content);
    sealing_ = content->ring.current.id;
}

void Checks::check_rotation(const controller::SealSecret& content) {
    const kube::SteadyTime now = clock_.steady_now();
    std::vector<controller::SealKey> keys = content.ring.others;
    keys.push_back(content.ring.current);
    for (const controller::SealKey& key : keys) {
        if (kept_.try_emplace(key.id, Key{.key = key, .since = now, .retired = {}}).second) ever_.others.push_back(key);
    }
    const std::string& current = content.ring.current.id;
    if (!sealing_.empty() && sealing_ != current) {
        if (now - kept_[current].since < kSealKeys.spread())
            violated("a key seals only when every replica knows it", current);
        kept_[sealing_].retired = now;
    }
    std::erase_if(kept_, [&](const auto& entry) {
        const auto& [id, key] = entry;
        if (std::ranges::find(keys, id, &controller::SealKey::id) != keys.end()) return false;
        if (!clocks_jump_ && (!key.retired || now - *key.retired < kSealKeys.retention))
            violated("an old key is accepted for its time", id);
        return true;
    });
}

void Checks::check_identity_denial(const Request& request, const std::string& reason) {
    if (reason != "IdentityMissing" && reason != "IdentityInvalid") return;
    controller::SealKeyRing ring;
    for (const auto& [id, key] : kept_) ring.others.push_back(key.key);
    if (controller::check_identity(ring, "DebugRequest", *request.object) == controller::IdentityCheck::valid)
        violated("nobody is denied whose seal is good", request.key + " is " + reason);
}

bool Checks::was_ever_allowed(const Json& request, const Json& pod, const Json& container) const {
    const auto parsed = api::parse_debug_request(request);
    auto view = controller::parse_pod(pod);
    // It may have begun to go between the verdict and the PATCH.
    if (view) view->deleting = false;
    if (!parsed || !view || !parsed->spec.requester) return false;
    for (const Policies& policies : policies_) {
        controller::Facts facts{.request = *parsed,
                                .identity = controller::IdentityCheck::valid,
                                .operator_namespace = "endoscope-system",
                                .namespace_labels = api::Labels(),
                                .policies = policies};
        facts.pod_permission = parsed->spec.requester->username == kAuthorisedUser ? controller::Authorization::allowed
                                                                                   : controller::Authorization::denied;
        facts.pods = {*view};
        const auto judged = controller::judge(facts);
        const auto* verdict = std::get_if<controller::Verdict>(&judged);
        if (verdict == nullptr || !verdict->allowed) continue;
        const controller::PodView::EphemeralContainer existing{.name = string_at(container, {"name"}),
                                                               .image = string_at(container, {"image"}),
                                                               .target_container = {},
                                                               .request = {},
                                                               .json = container.dump()};
        if (controller::is_same_container(existing,
                                          controller::build_ephemeral_container(*parsed, verdict->containers.front())))
            return true;
    }
    return false;
}

void Checks::check_injection(const Json& before, const Json& pod, const Json& container) {
    const std::string name = string_at(container, {"name"});
    const std::string key = request_of(container);
    const std::string pod_uid = string_at(pod, {"metadata", "uid"});
    const std::string where = "container " + name + " of " + key + " in Pod " + pods_[pod_uid].name;
    if (!string_at(container, {"image"}).starts_with("registry.example.com/"))
        violated("no image that the policy never allowed", where + ": " + string_at(container, {"image"}));
    const Request* latest = nullptr;
    std::string latest_uid;
    bool sealed = false;
    for (const auto& [uid, request] : requests_) {
        if (request.key != key) continue;
        const auto parsed = api::parse_debug_request(*request.object);
        if (!parsed || controller::container_name(*parsed, pod_uid) != name) continue;
        if (controller::check_identity(ever_, "DebugRequest", *request.object) != controller::IdentityCheck::valid)
            continue;
        sealed = true;
        if (!was_ever_allowed(*request.object, before, container)) continue;
        // Of a request and its re-creation with the same spec, the one that was allowed; then the later one.
        const bool better = latest == nullptr || allowed_by_[latest_uid].empty() ||
                            (!allowed_by_[uid].empty() && request.created > latest->created);
        if (better) {
            latest = &request;
            latest_uid = uid;
        }
    }
    if (!sealed) return violated("no injection without a valid seal", where);
    if (latest == nullptr) return violated("no injection without an allowed verdict", where);
    if (allowed_by_[latest_uid].empty()) violated("the accepting policy is recorded", where);
    for (const auto& [other_name, other] : pods_[pod_uid].containers) {
        if (other.request_uid == latest_uid)
            violated("one container per request and Pod", where + ": there is " + other_name + " already");
    }
    const auto most = find_at(*latest->object, {"spec", "target", "maxPods"});
    const std::size_t most_pods = most == nullptr ? 1 : most->get<std::size_t>();
    const auto has_one = [&](const auto& entry) {
        return std::ranges::any_of(entry.second.containers,
                                   [&](const auto& container) { return container.second.request_uid == latest_uid; });
    };
    const std::size_t others = static_cast<std::size_t>(std::ranges::count_if(pods_, has_one));
    // Where the Pod is named, another one of its name may come before the first was recorded. Where the record was
    // overwritten and the Pods are gone, nothing tells of them any more.
    const bool is_named = find_at(*latest->object, {"spec", "target", "podName"}) != nullptr;
    if (others >= most_pods && !is_named && latest->overwritten == 0)
        violated("no more Pods than asked for", where + ": " + std::to_string(others) + " have one already");
    Container& known = pods_[pod_uid].containers[name];
    known.request_uid = latest_uid;
    known.since = clock_.steady_now();
}

void Checks::on_request(const model::Change& change) {
    const std::string uid = string_at(*change.object, {"metadata", "uid"});
    const auto [found, is_new] = requests_.try_emplace(uid);
    Request& request = found->second;
    if (is_new) {
        request.key = change.ns + "/" + change.name;
        request.created = clock_.steady_now();
    }
    if (change.removed) {
        request.deleted = true;
        return;
    }
    const Json* status = find_at(*change.object, {"status"});
    const Json* old_status = request.object ? find_at(*request.object, {"status"}) : nullptr;
    request.object = change.object;
    const bool changed = status != nullptr && (old_status == nullptr || *status != *old_status);
    if (changed) check_status(request, *status, tampered_.erase(request.key) > 0);
}

void Checks::check_status(Request& request, const Json& status, bool tampered) {
    const std::string phase = string_at(status, {"phase"});
    const std::string reason = string_at(status, {"reason"});
    if (tampered && (!request.terminal_phase.empty() || is_terminal_word(phase))) ++request.overwritten;
    if (tampered || request.overwritten > 0) return;
    const std::string says = request.key + " says " + phase + "/" + reason;
    if (!request.terminal_phase.empty() && phase != request.terminal_phase)
        violated("an end is final", says + " after " + request.terminal_phase);
    const bool expires = phase == "Expired" && request.terminal_phase.empty();
    if (is_terminal_word(phase)) request.terminal_phase = phase;
    if (phase == "Denied") check_identity_denial(request, reason);
    const auto rows = array_at(status, {"targets"});
    for (const Json& row : rows) {
        const std::string state = string_at(row, {"state"});
        const std::string own_reason = string_at(row, {"reason"});
        const std::string name = string_at(row, {"containerName"});
        const auto pod = pods_.find(string_at(row, {"podUID"}));
        if (pod == pods_.end()) {
            violated("a status names Pods that exist", says + ": " + row.dump());
            continue;
        }
        const auto container = pod->second.containers.find(name);
        const bool injected = container != pod->second.containers.end();
        const Container nothing;
        const Container& seen = injected ? container->second : nothing;
        const Json* code = find_at(row, {"exitCode"});
        const bool claims_container = phase != "Denied" && reason != "InjectionRejected" &&
                                      own_reason != "TargetGone" && state != "Pending" && state != "NotInjected";
        if (claims_container && !injected)
            violated("a status claims what the Pod shows", says + ", but nothing is there");
        if (state == "Running" && !seen.was_running)
            violated("a status claims what the Pod shows", says + ", but it never ran");
        if (code != nullptr && !seen.exit_codes.contains(code->get<std::int64_t>()))
            violated("a status claims what the Pod shows", says + ", exit code " + code->dump());
        // A watch may be behind: what it does not show may have come to its own end in time.
        if (expires && own_reason == "DeadlineExceeded" && seen.ended && !seen.was_looked_at)
            violated("a status claims what the Pod shows", says + ", but it had ended before anybody looked");
        if (own_reason == "TargetGone" && !pod->second.gone)
            violated("a status claims what the Pod shows", says + ", but the Pod is there");
        // A process that finds a container, and other policies than allowed it, learns from the audit log alone what
        // allowed it.
        if (claims_container && !changed_hands_ && string_at(status, {"policy", "name"}).empty())
            violated("the accepting policy is recorded", says);
    }
    if (phase == "Running" && rows.empty()) violated("a status claims what the Pod shows", says + " without a Pod");
    if (phase == "Succeeded" && reason != "AlreadySatisfied") {
        const bool ended = std::ranges::any_of(rows, [](const Json& row) { return row.contains("exitCode"); });
        if (!ended) violated("a status claims what the Pod shows", says + " without an exit code");
    }
}

void Checks::on_call(const ApiCall& call, std::size_t connections) {
    if (connections > kMostConnections)
        violated("connections are bounded", call.from + " has " + std::to_string(connections));
    if (count(calls_[call.from].times, clock_.steady_now()) > kMostCalls)
        violated("no busy circle", call.from + ": " + call.method + " " + call.target);
    const bool writes_keys = call.method != "GET" && call.target.find("/secrets") != std::string::npos;
    const bool patches = call.method == "PATCH" && call.target.find("dryRun=All") == std::string::npos &&
                         (call.target.find("/status") != std::string::npos ||
                          call.target.find("/ephemeralcontainers") != std::string::npos);
    if (!writes_keys && !patches) return;
    const auto lease = cluster_.storage.get("coordination.k8s.io/leases", "endoscope-system", "endoscope");
    if (!lease) return;
    const std::string holder = string_at(*lease, {"spec", "holderIdentity"});
    if (!holder.empty() && holder != call.from)
        violated("only the leader writes", call.from + " sent " + call.target + " while " + holder + " leads");
}

void Checks::on_answer(const ApiCall& call, int status) {
    if (status == 403 || status == 401 || status == 405 || status == 415)
        violated("the operator has the rights it uses",
                 std::to_string(status) + " for " + call.method + " " + call.target);
    if (status == 200 && call.method == "GET") on_look(call.target);
}

void Checks::on_look(const std::string& path) {
    const std::string pods = "/api/v1/namespaces/" + std::string(kNamespace) + "/pods/";
    if (!path.starts_with(pods)) return;
    const auto pod = cluster_.storage.get("pods", kNamespace, path.substr(pods.size()));
    if (!pod) return;
    for (auto& [name, container] : pods_[string_at(*pod, {"metadata", "uid"})].containers)
        container.was_looked_at = container.was_looked_at || !container.ended;
}

void Checks::on_log(const std::string& process, kube::log::Level level, std::string_view line) {
    const bool expected = line.find("leadership lost") != std::string_view::npos;
    if (level == kube::log::Level::error && !expected)
        violated("nothing ends in an error", process + ": " + std::string(line));
    if (line.find("reconcile failed") == std::string_view::npos) return;
    const std::size_t at = line.find("request=");
    const std::string key(line.substr(at, line.find(' ', at) - at));
    const kube::SteadyTime now = clock_.steady_now();
    const auto changes = static_cast<std::size_t>(
        std::ranges::count_if(changes_.times, [&](kube::SteadyTime time) { return time + kWindow >= now; }));
    const std::size_t failures = count(failures_[process + " " + key].times, now);
    if (failures > kMostFailures + changes)
        violated("no key is retried faster than its back-off", process + ": " + std::string(line));
}

void Checks::on_audit(std::string_view line) {
    const auto record = kube::parse_json(line);
    if (!record) return violated("the audit log is JSON", std::string(line));
    if (string_at(*record, {"event"}) == "verdict" && string_at(*record, {"reason"}) == "Allowed")
        allowed_by_[string_at(*record, {"requestUID"})] = string_at(*record, {"policy"});
}

void Checks::on_counted(double ended, bool whole) {
    counted_ += ended;
    changed_hands_ = true;
    if (!whole) counts_may_be_lost_ = true;
}

bool Checks::is_settled(const std::string& uid, const Request& request) const {
    if (request.deleted) return true;
    // A finalizer lets go, whatever happens.
    if (!string_at(*request.object, {"metadata", "deletionTimestamp"}).empty()) return false;
    if (request.overwritten > 0) return true;
    const Json* status = find_at(*request.object, {"status"});
    const std::string phase = status == nullptr ? "" : string_at(*status, {"phase"});
    if (!is_terminal_word(phase)) return false;
    // Of several Pods, some may have failed while another outlives its deadline.
    const bool is_overdue =
        phase == "Expired" || std::ranges::any_of(array_at(*status, {"conditions"}), [](const Json& condition) {
            return string_at(condition, {"type"}) == "ContainerStillRunning" &&
                   string_at(condition, {"status"}) == "True";
        });
    if (!is_overdue) return array_at(*request.object, {"metadata", "finalizers"}).empty();
    if (!is_overdue_session_ended(uid)) return false;
    // It outlived its deadline: its end is still to be recorded.
    for (const auto& [pod_uid, pod] : pods_) {
        for (const auto& [name, container] : pod.containers) {
            if (container.request_uid != uid || pod.gone || !container.ended) continue;
            for (const Json& row : array_at(*status, {"targets"})) {
                if (string_at(row, {"podUID"}) == pod_uid && string_at(row, {"state"}) != "Terminated") return false;
            }
        }
    }
    return true;
}

bool Checks::is_overdue_session_ended(const std::string& uid) const {
    const auto policy = cluster_.storage.get(kPolicyTable, "", "shop");
    if (!policy) return true;
    const std::string on_expiry = string_at(*policy, {"spec", "onExpiry"});
    if (on_expiry != "Terminate" && on_expiry != "EvictPod") return true;
    for (const auto& [pod_uid, pod] : pods_) {
        if (pod.gone) continue;
        for (const auto& [name, container] : pod.containers) {
            if (container.request_uid == uid && container.was_running && !container.ended) return false;
        }
    }
    return true;
}

bool Checks::is_settled() const {
    return std::ranges::all_of(requests_, [this](const auto& entry) { return is_settled(entry.first, entry.second); });
}

std::string Checks::unsettled() const {
    std::string text;
    for (const auto& [uid, request] : requests_) {
        if (is_settled(uid, request)) continue;
        text += request.key + " (" + string_at(*request.object, {"status", "phase"}) + ") ";
    }
    return text;
}

void Checks::at_rest(const std::string& process, double queued, std::size_t connections) {
    if (queued > 0) violated("queues empty themselves", process + ": " + std::to_string(queued));
    if (connections > kMostConnectionsAtRest)
        violated("connections are bounded", process + " has " + std::to_string(connections) + " at rest");
}

void Checks::on_shown(const std::string& process, double requests, double active) {
    const std::size_t there = cluster_.storage.list(kRequestTable, "").size();
    if (static_cast<std::size_t>(requests) != there)
        violated("gauges show what is there",
                 process + " shows " + std::to_string(requests) + " requests of " + std::to_string(there));
    std::ptrdiff_t running = 0;
    for (const auto& [uid, pod] : pods_) {
        running += std::ranges::count_if(pod.containers, [&](const auto& entry) {
            return !pod.gone && entry.second.was_running && !entry.second.ended;
        });
    }
    if (active > static_cast<double>(running))
        violated("gauges show what is there",
                 process + " shows " + std::to_string(active) + " sessions of " + std::to_string(running));
}

void Checks::at_rest() {
    std::size_t ended = 0;
    std::size_t ended_and_kept = 0;
    for (const auto& [uid, request] : requests_) {
        const Json& status = request.object->contains("status") ? request.object->at("status") : Json::object();
        const std::string phase = string_at(status, {"phase"});
        if (!request.terminal_phase.empty()) ++ended;
        ended += request.overwritten;  // may be judged, and counted, once more each time
        if (request.deleted || request.overwritten > 0) continue;
        if (is_terminal_word(phase)) ++ended_and_kept;
        if (!is_terminal_word(phase)) violated("every request comes to an end", request.key + " is " + phase);
        if (phase != request.terminal_phase)
            violated("an end is final", request.key + " is " + phase + ", was " + request.terminal_phase);
        for (const auto& [pod_uid, pod] : pods_) {
            for (const auto& [name, container] : pod.containers) {
                if (container.request_uid != uid || pod.gone) continue;
                // Whose key was lost before a word of it was on record cannot be told from a forgery.
                if (phase == "Denied" && container.since >= request.created && !keys_were_lost_)
                    violated("what was injected is not called denied", request.key + ", container " + name);
            }
        }
    }
    const auto counted = static_cast<std::size_t>(counted_);
    if (counted > ended)
        violated("each request is counted once",
                 std::to_string(counted) + " counted, " + std::to_string(ended) + " ended");
    if (!counts_may_be_lost_ && counted < ended_and_kept)
        violated("each request is counted once",
                 std::to_string(counted) + " counted, " + std::to_string(ended_and_kept) + " ended and are there");
}

}  // namespace simulation
