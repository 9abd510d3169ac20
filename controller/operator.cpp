#include "controller/operator.hpp"

#include "controller/retention_worker.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/admission.hpp"
#include "kube/runtime/controller.hpp"
#include "kube/runtime/endpoints.hpp"
#include "kube/runtime/reflector.hpp"
#include "kube/runtime/store.hpp"
#include "kube/runtime/work_queue.hpp"

#include <nlohmann/json.hpp>

#include <random>

namespace endoscope::controller {
namespace asio = boost::asio;

namespace {

/// The characters that Kubernetes itself uses for generated names: no vowels, nothing that looks like another.
std::string random_suffix() {
    static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    std::random_device random;
    std::uniform_int_distribution<std::size_t> pick(0, kAlphabet.size() - 1);
    std::string suffix;
    for (int i = 0; i < 5; ++i) suffix += kAlphabet[pick(random)];
    return suffix;
}

constexpr const char* kMetricPrefix = "endoscope";

kube::ReflectorOptions collection(std::string name, std::string path, std::uint64_t seed,
                                  kube::ReflectorObserver& observer) {
    kube::ReflectorOptions options;
    options.observer = &observer;
    options.name = std::move(name);
    options.path = std::move(path);
    options.seed = seed;
    options.drop_managed_fields = true;
    return options;
}

/// A new leader must see what the last one wrote, and a watch cache may be behind that.
kube::ReflectorOptions most_recent(kube::ReflectorOptions options) {
    options.most_recent = true;
    return options;
}

WriteGate gate_of(const OperatorOptions& options) {
    if (options.election == nullptr) return {};
    return {.may_send = [election = options.election] { return election->is_leader(); },
            .timeout = options.write_timeout};
}

}  // namespace

struct Operator::Parts {
    Parts(asio::any_io_executor executor_in, kube::Client& client_in, kube::CommandRunner& commands,
          kube::Clock& clock_in, kube::Registry registry_in, AuditLog& audit_in, kube::EventRecorder& events,
          OperatorOptions options_in)
        : executor(executor_in),
          client(client_in),
          clock(clock_in),
          registry(std::move(registry_in)),
          audit(audit_in),
          options(std::move(options_in)),
          metrics(registry),
          queue_metrics(kube::make_queue_metrics(registry, "debugrequest")),
          controller_metrics(
              kube::make_controller_metrics(registry, "debugrequest", options.max_concurrent_reconciles)),
          policy_queue_metrics(kube::make_queue_metrics(registry, "debugpolicy")),
          policy_controller_metrics(kube::make_controller_metrics(registry, "debugpolicy", 1)),
          request_cache_metrics(kube::make_reflector_metrics(registry, clock, kMetricPrefix, "debugrequests")),
          policy_cache_metrics(kube::make_reflector_metrics(registry, clock, kMetricPrefix, "debugpolicies")),
          namespace_cache_metrics(kube::make_reflector_metrics(registry, clock, kMetricPrefix, "namespaces")),
          pod_watch_metrics(kube::make_reflector_metrics(registry, clock, kMetricPrefix, "pods", false)),
          queue(executor, clock, queue_metrics.get()),
          policy_queue(executor, clock, policy_queue_metrics.get()),
          requests(
              [](const nlohmann::json& object) { return std::pair(kube::object_key(object), cache_request(object)); },
              kube::object_key),
          policies(
              [](const nlohmann::json& object) {
                  return std::pair(kube::object_key(object), CachedPolicy{CompiledPolicy::from_json(object)});
              },
              kube::object_key),
          namespaces(
              [](const nlohmann::json& object) { return std::pair(kube::object_key(object), labels_of(object)); },
              kube::object_key),
          request_reflector(client, clock, requests,
                            most_recent(collection("debugrequests", "/apis/endoscope.dev/v1alpha1/debugrequests",
                                                   options.seed + 1, *request_cache_metrics))),
          policy_reflector(client, clock, policies,
                           collection("debugpolicies", "/apis/endoscope.dev/v1alpha1/debugpolicies", options.seed + 2,
                                      *policy_cache_metrics)),
          namespace_reflector(
              client, clock, namespaces,
              collection("namespaces", "/api/v1/namespaces", options.seed + 3, *namespace_cache_metrics)),
          cluster(client, gate_of(options)),
          keys(executor, {.client = client,
                          .clock = clock,
                          .events = events,
                          .metrics = metrics,
                          .gate = gate_of(options),
                          .ns = options.ns,
                          .settings = options.seal_keys}),
          follower(
              executor, client, clock,
              [this](const std::string& key) { queue.add(RequestReconciler::request_key(key)); },
              pod_watch_metrics.get(), options.most_pod_watches),
          reconciler({.clock = clock,
                      .cluster = cluster,
                      .commands = commands,
                      .requests = requests,
                      .policies = policies,
                      .namespaces = namespaces,
                      .rules_are_current =
                          [this] { return policy_reflector.is_current() && namespace_reflector.is_current(); },
                      .follower = follower,
                      .events = events,
                      .metrics = metrics,
                      .audit = audit,
                      .keys = keys,
                      .operator_namespace = options.ns}),
          controller("debugrequest", queue, reconciler, clock, *controller_metrics,
                     {.reconcile_timeout = options.reconcile_timeout, .seed = options.seed + 4}),
          policy_reconciler(clock, cluster, policies),
          policy_controller("debugpolicy", policy_queue, policy_reconciler, clock, *policy_controller_metrics,
                            {.reconcile_timeout = options.reconcile_timeout, .seed = options.seed + 5}),
          caches(executor),
          workers(executor) {
        requests.on_change([this](const std::string& key, const auto& before, const auto& after) {
            const auto phase = [](const auto& request) {
                return request ? std::string(to_string(request->phase)) : std::string();
            };
            const std::string ns = key.substr(0, key.find('/'));
            if (is_leading) metrics.request_moved(ns, phase(before), phase(after));
            queue.add(key, requests.priority());
        });
        policies.on_change([this](const std::string& key, const auto&, const auto&) {
            if (!is_leading) return;  // nobody takes from a standby's queue
            count_policies();
            policy_queue.add(key, policies.priority());
        });
    }

    /// From here on this replica tells how many requests and policies there are; of several only one may, or sums would
    /// count them twice.
    void begin_leading() {
        is_leading = true;
        for (const auto& request : requests.list()) {
            metrics.request_moved(request->ns, "", std::string(to_string(request->phase)));
        }
        count_policies();
        for (const auto& cached : policies.list()) policy_queue.add(cached->policy->name());
        reconciler.begin();
    }

    void count_policies() {
        std::size_t accepted = 0;
        std::size_t invalid = 0;
        for (const auto& cached : policies.list()) (cached->policy->error() ? invalid : accepted) += 1;
        metrics.policies(accepted, invalid);
    }

    /// What admission needs, on every replica.
    bool policies_are_known() const { return policy_reflector.synced() && namespace_reflector.synced(); }

    bool is_leading = false;
    asio::any_io_executor executor;
    kube::Client& client;
    kube::Clock& clock;
    kube::Registry registry;
    AuditLog& audit;
    OperatorOptions options;
    Metrics metrics;
    std::unique_ptr<kube::QueueObserver> queue_metrics;
    std::unique_ptr<kube::ControllerObserver> controller_metrics;
    std::unique_ptr<kube::QueueObserver> policy_queue_metrics;
    std::unique_ptr<kube::ControllerObserver> policy_controller_metrics;
    std::unique_ptr<kube::ReflectorObserver> request_cache_metrics;
    std::unique_ptr<kube::ReflectorObserver> policy_cache_metrics;
    std::unique_ptr<kube::ReflectorObserver> namespace_cache_metrics;
    std::unique_ptr<kube::ReflectorObserver> pod_watch_metrics;
    kube::WorkQueue queue;
    kube::WorkQueue policy_queue;
    kube::Store<CachedRequest> requests;
    kube::Store<CachedPolicy> policies;
    kube::Store<api::Labels> namespaces;
    kube::Reflector request_reflector;
    kube::Reflector policy_reflector;
    kube::Reflector namespace_reflector;
    Cluster cluster;
    SealKeys keys;
    PodFollower follower;
    RequestReconciler reconciler;
    kube::Controller controller;
    PolicyReconciler policy_reconciler;
    kube::Controller policy_controller;
    kube::TaskGroup caches;
    kube::TaskGroup workers;
};

Operator::Operator(asio::any_io_executor executor, kube::Client& client, kube::CommandRunner& commands,
                   kube::Clock& clock, kube::Registry registry, AuditLog& audit, kube::EventRecorder& events,
                   OperatorOptions options)
    : parts_(std::make_unique<Parts>(std::move(executor), client, commands, clock, std::move(registry), audit, events,
                                     std::move(options))) {}

Operator::~Operator() = default;

bool Operator::synced() const {
    const bool leads = parts_->options.election == nullptr || parts_->options.election->is_leader();
    return parts_->policies_are_known() && (!leads || parts_->request_reflector.synced());
}

std::string Operator::seal_keys_problem() const {
    return parts_->keys.problem();
}

std::string Operator::running() const {
    std::string names = parts_->workers.names();
    const std::string caches = parts_->caches.names();
    if (!names.empty() && !caches.empty()) names += ", ";
    return names + caches;
}

asio::awaitable<kube::Result<void>> Operator::run(std::stop_token stop) {
    Parts& p = *parts_;
    std::stop_source cache_stop;
    p.caches.spawn("debugpolicies", p.policy_reflector.run(cache_stop.get_token()));
    p.caches.spawn("namespaces", p.namespace_reflector.run(cache_stop.get_token()));
    p.caches.spawn("seal keys", p.keys.run(cache_stop.get_token()));
    auto synced = co_await kube::wait_for_sync(p.clock, {&p.policy_reflector, &p.namespace_reflector},
                                               p.options.sync_limit, stop);
    bool leads = synced.has_value();
    if (leads && p.options.election != nullptr) leads = co_await p.options.election->wait_until_leading(stop);
    if (leads) {
        p.keys.lead();
        // Listed only now: a standby whose watch was behind would do once more what the last leader has done.
        p.caches.spawn("debugrequests", p.request_reflector.run(cache_stop.get_token()));
        synced = co_await kube::wait_for_sync(p.clock, {&p.request_reflector}, p.options.sync_limit, stop);
        leads = synced.has_value();
    }
    // No verdict before every cache is complete.
    if (leads) {
        kube::log::info("operator", "caches are synced; reconciling",
                        {{"requests", p.requests.size()}, {"policies", p.policies.size()}});
        p.begin_leading();
        // After a stop what is begun is finished, so that no write is under way when the Lease is given back.
        const auto lost = p.options.election == nullptr ? std::stop_token() : p.options.election->lost();
        for (int i = 0; i < p.options.max_concurrent_reconciles; ++i)
            p.workers.spawn("worker", p.controller.work(stop, lost));
        p.workers.spawn("policy worker", p.policy_controller.work(stop, lost));
        if (p.options.sync_period > kube::Duration::zero()) {
            p.workers.spawn("resync",
                            kube::run_resync(p.clock, p.requests, p.options.sync_period, p.options.seed + 6, stop));
            p.workers.spawn("resync",
                            kube::run_resync(p.clock, p.policies, p.options.sync_period, p.options.seed + 7, stop));
        }
        if (p.options.retain_finished > kube::Duration::zero()) {
            RetentionContext retention{
                .clock = p.clock,
                .cluster = p.cluster,
                .requests = p.requests,
                .is_followed = [&p](const std::string& key) { return p.reconciler.follows(key); },
                .metrics = p.metrics,
                .audit = p.audit,
                .retain = p.options.retain_finished,
                .seed = p.options.seed + 8};
            p.workers.spawn("retention", run_retention(std::move(retention), stop, lost));
        }
    }
    co_await p.workers.join();
    co_await p.follower.stop();
    cache_stop.request_stop();
    co_await p.caches.join();
    if (!synced && synced.error().kind == kube::ErrorKind::cancelled) synced = {};
    co_return synced;
}

kube::HttpHandler Operator::admission_handler() const {
    Parts& p = *parts_;
    const AdmissionContext context{.clock = p.clock,
                                   .keys = [&p] { return p.keys.ring(); },
                                   .no_keys = [&p] { return p.keys.problem(); },
                                   .on_unknown_key = [&p] { p.keys.read_soon(); },
                                   .policies =
                                       [&p] {
                                           std::vector<std::shared_ptr<const CompiledPolicy>> all;
                                           for (const auto& cached : p.policies.list()) all.push_back(cached->policy);
                                           return all;
                                       },
                                   .namespace_labels = [&p](const std::string& ns) -> std::optional<api::Labels> {
                                       const auto labels = p.namespaces.get(ns);
                                       if (!labels) return std::nullopt;
                                       return *labels;
                                   },
                                   .random_suffix = random_suffix,
                                   .operator_namespace = p.options.ns,
                                   .deny_at_admission = p.options.deny_at_admission};
    std::map<std::string, kube::AdmissionFunction> functions;
    functions[std::string(kMutatePath)] = [context](const kube::AdmissionRequest& request) {
        return mutate_debug_request(context, request);
    };
    functions[std::string(kValidatePath)] = [context](const kube::AdmissionRequest& request) {
        return validate_debug_request(context, request);
    };
    return kube::make_admission_handler(
        p.clock, std::move(functions),
        [&p](const std::string& path, const kube::AdmissionRequest& request, const kube::AdmissionResponse& response,
             kube::Duration elapsed) {
            const std::string webhook = path == kMutatePath ? "mutate" : "validate";
            if (request.dry_run) return;  // a rehearsal is no request: neither counted nor on record
            p.metrics.admission(webhook, request.operation, response.allowed, elapsed);
            if (webhook != "validate" || request.operation != "CREATE") return;
            AuditRecord record;
            record.event = "admitted";
            record.request = request.ns + "/" + kube::string_at(request.object, {"metadata", "name"});
            record.requester = request.user.username;
            record.groups = request.user.groups;
            record.on_behalf_of = kube::string_at(request.object, {"spec", "onBehalfOf", "username"});
            record.image = kube::string_at(request.object, {"spec", "image"});
            record.pod = kube::string_at(request.object, {"spec", "target", "podName"});
            if (!response.allowed) record.reason = "Refused";
            record.message = response.message;
            p.audit.write(record);
        },
        p.options.webhooks);
}

kube::HttpHandler Operator::metrics_handler() const {
    return kube::make_metrics_handler(parts_->registry, nullptr);
}

}  // namespace endoscope::controller
