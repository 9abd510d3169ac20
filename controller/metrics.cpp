#include "controller/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <unordered_map>
#include <utility>

namespace endoscope::controller {

namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;
const Buckets kCallBuckets = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};
const Buckets kStartBuckets = {.1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300};
const Buckets kSessionBuckets = {10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400};
const Buckets kAdmissionBuckets = {.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1};

double seconds(kube::Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

template <class Builder>
auto& family(Builder builder, prometheus::Registry& registry, const char* name, const char* help) {
    return builder.Name(name).Help(help).Register(registry);
}

}  // namespace

struct Metrics::Impl {
    explicit Impl(prometheus::Registry& r)
        : requests_total(family(prometheus::BuildCounter(), r, "endoscope_debug_requests_total",
                                "Debug requests that reached a terminal phase, each counted once.")),
          requests(family(prometheus::BuildGauge(), r, "endoscope_debug_requests", "Debug requests by current phase.")),
          removed_total(family(prometheus::BuildCounter(), r, "endoscope_debug_requests_removed_total",
                               "Finished debug requests that were removed for their age.")),
          active(family(prometheus::BuildGauge(), r, "endoscope_debug_sessions_active",
                        "Debug sessions whose container runs.")),
          overdue(family(prometheus::BuildGauge(), r, "endoscope_debug_sessions_overdue",
                         "Debug sessions whose deadline has passed while the container still runs.")),
          info(family(prometheus::BuildGauge(), r, "endoscope_debug_session_info",
                      "One series for each active debug session, always 1.")),
          verdicts(family(prometheus::BuildCounter(), r, "endoscope_verdicts_total", "Verdicts on debug requests.")),
          admissions(family(prometheus::BuildCounter(), r, "endoscope_admission_requests_total",
                            "Admission reviews answered by the webhooks.")),
          injection(family(prometheus::BuildHistogram(), r, "endoscope_injection_duration_seconds",
                           "Time from seeing a request to the answered injection.")
                        .Add({}, kCallBuckets)),
          start(family(prometheus::BuildHistogram(), r, "endoscope_start_duration_seconds",
                       "Time from the injection to the running container.")
                    .Add({}, kStartBuckets)),
          session(family(prometheus::BuildHistogram(), r, "endoscope_session_duration_seconds",
                         "Time a debug container ran.")
                      .Add({}, kSessionBuckets)),
          admission_time(family(prometheus::BuildHistogram(), r, "endoscope_admission_duration_seconds",
                                "Time to answer an admission review.")),
          policies(family(prometheus::BuildGauge(), r, "endoscope_policies", "Debug policies by state.")),
          seal_keys(family(prometheus::BuildGauge(), r, "endoscope_seal_keys",
                           "Seal keys that this replica accepts; 0 while it can neither seal nor verify.")
                        .Add({})),
          seal_key_since(family(prometheus::BuildGauge(), r, "endoscope_seal_key_since_timestamp_seconds",
                                "When the seal key in use began to seal.")
                             .Add({})),
          seal_key_rotations(family(prometheus::BuildCounter(), r, "endoscope_seal_key_rotations_total",
                                    "How often this replica made a new seal key the one in use.")
                                 .Add({})) {
        family(prometheus::BuildGauge(), r, "endoscope_build_info", "The running version, always 1.")
            .Add({{"version", ENDOSCOPE_VERSION}, {"compiler", "clang " __clang_version__}})
            .Set(1);
        policies.Add({{"state", "accepted"}});
        policies.Add({{"state", "invalid"}});
    }

    prometheus::Family<prometheus::Counter>& requests_total;
    prometheus::Family<prometheus::Gauge>& requests;
    prometheus::Family<prometheus::Counter>& removed_total;
    prometheus::Family<prometheus::Gauge>& active;
    prometheus::Family<prometheus::Gauge>& overdue;
    prometheus::Family<prometheus::Gauge>& info;
    prometheus::Family<prometheus::Counter>& verdicts;
    prometheus::Family<prometheus::Counter>& admissions;
    prometheus::Histogram& injection;
    prometheus::Histogram& start;
    prometheus::Histogram& session;
    prometheus::Family<prometheus::Histogram>& admission_time;
    prometheus::Family<prometheus::Gauge>& policies;
    prometheus::Gauge& seal_keys;
    prometheus::Gauge& seal_key_since;
    prometheus::Counter& seal_key_rotations;
    std::unordered_map<std::string, std::pair<std::string, prometheus::Gauge*>> sessions;
    std::unordered_map<std::string, std::string> overdue_keys;
};

Metrics::Metrics(const kube::Registry& registry) : impl_(std::make_unique<Impl>(*registry)) {}
Metrics::~Metrics() = default;

void Metrics::request_finished(const std::string& ns, const std::string& phase, const std::string& reason) {
    impl_->requests_total.Add({{"namespace", ns}, {"phase", phase}, {"reason", reason}}).Increment();
}

void Metrics::request_moved(const std::string& ns, const std::string& from, const std::string& to) {
    if (from == to) return;
    if (!from.empty()) impl_->requests.Add({{"namespace", ns}, {"phase", from}}).Decrement();
    if (!to.empty()) impl_->requests.Add({{"namespace", ns}, {"phase", to}}).Increment();
}

void Metrics::request_removed(const std::string& ns) {
    impl_->removed_total.Add({{"namespace", ns}}).Increment();
}

void Metrics::verdict(const std::string& policy, bool allowed, const std::string& reason) {
    impl_->verdicts.Add({{"policy", policy}, {"allowed", allowed ? "true" : "false"}, {"reason", reason}}).Increment();
}

void Metrics::injected(kube::Duration since_seen) {
    impl_->injection.Observe(seconds(since_seen));
}
void Metrics::started(kube::Duration since_injected) {
    impl_->start.Observe(seconds(since_injected));
}
void Metrics::session_ended(kube::Duration length) {
    impl_->session.Observe(seconds(length));
}

void Metrics::admission(const std::string& webhook, const std::string& operation, bool allowed,
                        kube::Duration elapsed) {
    impl_->admissions.Add({{"webhook", webhook}, {"operation", operation}, {"allowed", allowed ? "true" : "false"}})
        .Increment();
    impl_->admission_time.Add({{"webhook", webhook}}, kAdmissionBuckets).Observe(seconds(elapsed));
}

void Metrics::policies(std::size_t accepted, std::size_t invalid) {
    impl_->policies.Add({{"state", "accepted"}}).Set(static_cast<double>(accepted));
    impl_->policies.Add({{"state", "invalid"}}).Set(static_cast<double>(invalid));
}

void Metrics::seal_keys(std::size_t accepted) {
    impl_->seal_keys.Set(static_cast<double>(accepted));
}

void Metrics::seal_key_since(kube::WallTime time) {
    impl_->seal_key_since.Set(std::chrono::duration<double>(time.time_since_epoch()).count());
}

void Metrics::seal_key_rotated() {
    impl_->seal_key_rotations.Increment();
}

void Metrics::session_active(const std::string& key, const Session& session) {
    if (impl_->sessions.contains(key)) return;
    auto& info = impl_->info.Add({{"namespace", session.ns},
                                  {"request", session.request},
                                  {"pod", session.pod},
                                  {"container", session.container},
                                  {"policy", session.policy},
                                  {"profile", session.profile}});
    info.Set(1);
    impl_->sessions.emplace(key, std::pair(session.ns, &info));
    impl_->active.Add({{"namespace", session.ns}}).Increment();
}

void Metrics::session_over(const std::string& key) {
    const auto found = impl_->sessions.find(key);
    if (found == impl_->sessions.end()) return;
    impl_->info.Remove(found->second.second);
    impl_->active.Add({{"namespace", found->second.first}}).Decrement();
    impl_->sessions.erase(found);
}

void Metrics::session_overdue(const std::string& key, const std::string& ns) {
    if (!impl_->overdue_keys.emplace(key, ns).second) return;
    impl_->overdue.Add({{"namespace", ns}}).Increment();
}

void Metrics::session_not_overdue(const std::string& key) {
    const auto found = impl_->overdue_keys.find(key);
    if (found == impl_->overdue_keys.end()) return;
    impl_->overdue.Add({{"namespace", found->second}}).Decrement();
    impl_->overdue_keys.erase(found);
}

}  // namespace endoscope::controller
