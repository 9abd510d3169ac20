// The Eviction API and what it asks of PodDisruptionBudgets. Source: kubernetes pkg/registry/core/pod/storage/
// eviction.go.

#include "tests/model/builtin_schema.hpp"
#include "tests/model/selector.hpp"
#include "tests/model/strategy.hpp"
#include "tests/model/writes.hpp"

namespace model {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxDisruptedPods = 2000;
constexpr const char* kBudgets = "policy/poddisruptionbudgets";
constexpr const char* kDisruptionAllowed = "DisruptionAllowed";

/// What POST pods/{name}/eviction decodes its body as.
const ResourceInfo& eviction_info() {
    static const ResourceInfo kInfo = [] {
        ResourceInfo info;
        info.group = "policy";
        info.version = "v1";
        info.kind = "Eviction";
        info.schema = builtin_schema(info.kind);
        return info;
    }();
    return kInfo;
}

long long number_at(const Json& object, std::initializer_list<std::string_view> path) {
    const Json* found = find_at(object, path);
    return found != nullptr && found->is_number_integer() ? found->get<long long>() : 0;
}

const Json* condition_of(const Json& object, std::string_view type) {
    for (const Json& condition : array_at(object, {"status", "conditions"})) {
        if (string_at(condition, {"type"}) == type) return &condition;
    }
    return nullptr;
}

ApiError too_many_requests(const std::string& cause, std::optional<int> retry_after) {
    Json details;
    details["causes"] = Json::array({{{"reason", "DisruptionBudget"}, {"message", cause}}});
    return {429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.",
            std::move(details), retry_after};
}

ApiError used_up(const Json& budget) {
    const std::string subject = "The disruption budget " + string_at(budget, {"metadata", "name"});
    const long long desired = number_at(budget, {"status", "desiredHealthy"});
    const long long current = number_at(budget, {"status", "currentHealthy"});
    const Json* condition = condition_of(budget, kDisruptionAllowed);
    std::string why;
    std::string reason;
    if (condition != nullptr && string_at(*condition, {"status"}) == "False") {
        why = string_at(*condition, {"message"});
        reason = string_at(*condition, {"reason"});
    }
    std::string text = subject + " does not allow evicting pods currently";
    if (!why.empty() && reason == "SyncFailed") {
        text += " because it failed sync: " + why;
    } else if (current <= desired) {
        text = subject + " needs " + std::to_string(desired) + " healthy pods and has " + std::to_string(current) +
               " currently";
    } else if (!why.empty()) {
        text += " (" + reason + "): " + why;
    }
    return too_many_requests(text, std::nullopt);
}

void note_insufficient(Json& budget, const std::string& now) {
    Json condition = {{"type", kDisruptionAllowed},   {"status", "False"},
                      {"reason", "InsufficientPods"}, {"message", ""},
                      {"lastTransitionTime", now},    {"observedGeneration", 0}};
    condition["observedGeneration"] = number_at(budget, {"status", "observedGeneration"});
    Json& conditions = object_at(budget, "status")["conditions"];
    for (Json& old : conditions) {
        if (string_at(old, {"type"}) != kDisruptionAllowed) continue;
        if (string_at(old, {"status"}) == "False") condition["lastTransitionTime"] = old["lastTransitionTime"];
        old = std::move(condition);
        return;
    }
    conditions.push_back(std::move(condition));
}

/// A Pod that disrupts nobody any more, or nobody yet: its budgets are not looked at.
bool can_ignore_budgets(const Json& pod) {
    const std::string phase = string_at(pod, {"status", "phase"});
    return phase == "Succeeded" || phase == "Failed" || phase == "Pending" ||
           !string_at(pod, {"metadata", "deletionTimestamp"}).empty();
}

/// Whether a Pod that is not ready may go without costing the budget anything.
bool may_go_unhealthy(const Json& pod, const Json& budget) {
    const Json* ready = condition_of(pod, "Ready");
    if (ready != nullptr && string_at(*ready, {"status"}) == "True") return false;
    if (string_at(budget, {"spec", "unhealthyPodEvictionPolicy"}) == "AlwaysAllow") return true;
    const long long desired = number_at(budget, {"status", "desiredHealthy"});
    return desired > 0 && number_at(budget, {"status", "currentHealthy"}) >= desired;
}

bool is_covered(const Json& pod, const Json& budget) {
    const Json* selector = find_at(budget, {"spec", "selector"});
    if (selector == nullptr || selector->is_null()) return false;
    const auto parsed = LabelSelector::from_json(*selector);
    return parsed && parsed->matches(pod);
}

/// The budget after one more eviction, or why there can be none.
Outcome<Json> spend(Json budget, const std::string& pod, const std::string& now) {
    const std::string name = string_at(budget, {"metadata", "name"});
    if (number_at(budget, {"status", "observedGeneration"}) < number_at(budget, {"metadata", "generation"})) {
        return std::unexpected(
            too_many_requests("The disruption budget " + name + " is still being processed by the server.", 10));
    }
    const Json* disrupted = find_at(budget, {"status", "disruptedPods"});
    if (disrupted != nullptr && disrupted->size() > kMaxDisruptedPods) {
        return std::unexpected(
            forbidden("policy", "poddisruptionbudget", name,
                      "DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
    }
    const long long allowed = number_at(budget, {"status", "disruptionsAllowed"});
    if (allowed <= 0) return std::unexpected(used_up(budget));  // a negative one is refused when it is written
    budget["status"]["disruptionsAllowed"] = allowed - 1;
    if (allowed == 1) note_insufficient(budget, now);
    object_at(budget, {"status", "disruptedPods"})[pod] = now;
    return budget;
}

/// Adds the condition DisruptionTarget, or leaves the one that is there.
void mark_disrupted(Json& pod, const std::string& now) {
    constexpr const char* kType = "DisruptionTarget";
    Json condition = {{"type", kType},
                      {"status", "True"},
                      {"reason", "EvictionByEvictionAPI"},
                      {"message", "Eviction API: evicting"},
                      {"lastProbeTime", nullptr},
                      {"lastTransitionTime", now}};
    Json& conditions = object_at(pod, "status")["conditions"];
    for (Json& old : conditions) {
        if (string_at(old, {"type"}) != kType) continue;
        if (string_at(old, {"status"}) == "True") condition["lastTransitionTime"] = old["lastTransitionTime"];
        old = std::move(condition);
        return;
    }
    conditions.push_back(std::move(condition));
}

}  // namespace

asio::awaitable<Outcome<Reply>> Writes::evict(Request& request) {
    const ResourceInfo& info = *request.resource;
    auto body = parse_body(request);
    if (!body) co_return std::unexpected(body.error());
    std::vector<std::string> unknown;
    const auto eviction = decode_object(eviction_info(), std::move(*body), unknown);
    if (!eviction) co_return std::unexpected(eviction.error());
    if (const auto problem = report_unknown(request, eviction_info(), unknown)) co_return std::unexpected(*problem);
    const std::string& name = request.info.name;
    if (const std::string ns = string_at(*eviction, {"metadata", "namespace"}); !ns.empty() && ns != request.ns) {
        co_return std::unexpected(
            bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    if (string_at(*eviction, {"metadata", "name"}) != name) {
        co_return std::unexpected(bad_request("name in URL does not match name in Eviction object"));
    }
    DeleteOptions options;
    const Json* wanted = find_at(*eviction, {"deleteOptions"});
    if (wanted != nullptr) read_delete_options(*wanted, options);
    options.dry_run = request.dry_run() || !strings_at(*eviction, {"deleteOptions", "dryRun"}).empty();

    Object pod = cluster_.storage.get(info.storage, request.ns, name);
    if (!pod) co_return std::unexpected(not_found("", "pods", name));
    if (!can_ignore_budgets(*pod)) {
        std::vector<Object> budgets = cluster_.storage.list(kBudgets, request.ns);
        std::erase_if(budgets, [&](const Object& budget) { return !is_covered(*pod, *budget); });
        if (budgets.size() > 1) {
            // Not an error of upstream's usual make: it has neither reason nor details.
            co_return reply(500, {{"kind", "Status"},
                                  {"apiVersion", "v1"},
                                  {"metadata", Json::object()},
                                  {"status", "Failure"},
                                  {"message",
                                   "This pod has more than one PodDisruptionBudget, which the eviction "
                                   "subresource does not support."},
                                  {"code", 500}});
        }
        if (!budgets.empty() && !may_go_unhealthy(*pod, *budgets.front())) {
            auto spent = spend(*budgets.front(), name, cluster_.now());
            if (!spent) co_return std::unexpected(spent.error());
            // Before the preconditions are looked at: an eviction that fails at them has cost the budget one.
            const std::string budget = string_at(*spent, {"metadata", "name"});
            if (!options.dry_run) cluster_.storage.put(kBudgets, request.ns, budget, std::move(*spent));
        }
    }
    if (auto problem = precondition_problem(info, *pod, options)) co_return std::unexpected(*problem);
    if (!options.dry_run) {
        Json marked = *pod;
        mark_disrupted(marked, cluster_.now());
        if (marked != *pod) pod = cluster_.storage.put(info.storage, request.ns, name, std::move(marked));
        options.resource_version.clear();  // the one that was asked for has just been replaced
    }
    const auto removed = commit_removal(request, pod, options);
    if (!removed) co_return std::unexpected(removed.error());
    co_return reply(
        201,
        {{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", Json::object()}, {"status", "Success"}, {"code", 201}});
}

}  // namespace model
