#include "kube/runtime/serving_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>

namespace kube {

namespace {

const prometheus::Histogram::BucketBoundaries kLatencyBuckets = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3,
                                                                 1e-2, 1e-1, 1,    10,   100,  1000};

class WebhookMetrics final : public WebhookObserver {
  public:
    WebhookMetrics(prometheus::Registry& registry, const std::vector<std::string>& paths)
        : total_(prometheus::BuildCounter()
                     .Name("controller_runtime_webhook_requests_total")
                     .Help("Total number of admission requests by HTTP status code.")
                     .Register(registry)),
          panics_(prometheus::BuildCounter()
                      .Name("controller_runtime_webhook_panics_total")
                      .Help("Total number of webhook panics")
                      .Register(registry)
                      .Add({})) {
        auto& in_flight = prometheus::BuildGauge()
                              .Name("controller_runtime_webhook_requests_in_flight")
                              .Help("Current number of admission requests being served.")
                              .Register(registry);
        auto& latency = prometheus::BuildHistogram()
                            .Name("controller_runtime_webhook_latency_seconds")
                            .Help("Histogram of the latency of processing admission requests")
                            .Register(registry);
        for (const std::string& path : paths) {
            webhooks_.emplace(path, Webhook{.in_flight = in_flight.Add({{"webhook", path}}),
                                            .latency = latency.Add({{"webhook", path}}, kLatencyBuckets)});
            for (const char* code : {"200", "500"}) total_.Add({{"webhook", path}, {"code", code}});
        }
    }

    void on_start(const std::string& path) override {
        if (const auto known = webhooks_.find(path); known != webhooks_.end()) known->second.in_flight.Increment();
    }
    void on_end(const std::string& path, int http_status, Duration elapsed) override {
        const auto known = webhooks_.find(path);
        if (known == webhooks_.end()) return;
        known->second.in_flight.Decrement();
        known->second.latency.Observe(std::chrono::duration<double>(elapsed).count());
        total_.Add({{"webhook", path}, {"code", std::to_string(http_status)}}).Increment();
    }
    void on_exception(const std::string&) override { panics_.Increment(); }

  private:
    struct Webhook {
        prometheus::Gauge& in_flight;
        prometheus::Histogram& latency;
    };
    prometheus::Family<prometheus::Counter>& total_;
    prometheus::Counter& panics_;
    std::map<std::string, Webhook> webhooks_;
};

class CertificateMetrics final : public CertificateObserver {
  public:
    explicit CertificateMetrics(prometheus::Registry& registry)
        : reads_(prometheus::BuildCounter()
                     .Name("certwatcher_read_certificate_total")
                     .Help("Total number of certificate reads")
                     .Register(registry)
                     .Add({})),
          errors_(prometheus::BuildCounter()
                      .Name("certwatcher_read_certificate_errors_total")
                      .Help("Total number of certificate read errors")
                      .Register(registry)
                      .Add({})) {}
    void on_read(bool succeeded) override {
        reads_.Increment();
        if (!succeeded) errors_.Increment();
    }

  private:
    prometheus::Counter& reads_;
    prometheus::Counter& errors_;
};

class WebhookTrustMetrics final : public WebhookTrustObserver {
  public:
    WebhookTrustMetrics(prometheus::Registry& registry, const std::string& prefix)
        : weaknesses_(prometheus::BuildGauge()
                          .Name(prefix + "_webhook_configuration_weaknesses")
                          .Help("Ways in which the installed webhooks guard less than they should.")
                          .Register(registry)
                          .Add({})),
          repairs_(prometheus::BuildCounter()
                       .Name(prefix + "_webhook_ca_bundle_writes_total")
                       .Help("How often a caBundle was written: for a rotation, or because somebody had changed it.")
                       .Register(registry)
                       .Add({})),
          expiry_(prometheus::BuildGauge()
                      .Name(prefix + "_webhook_certificate_expiration_timestamp_seconds")
                      .Help("When the webhooks' certificates of the operator's own end, in seconds since the epoch.")
                      .Register(registry)) {}
    void on_checked(std::size_t weaknesses) override { weaknesses_.Set(static_cast<double>(weaknesses)); }
    void on_bundle_written() override { repairs_.Increment(); }
    void on_expiry(WallTime authority, WallTime leaf) override {
        const auto seconds = [](WallTime time) {
            return std::chrono::duration<double>(time.time_since_epoch()).count();
        };
        expiry_.Add({{"certificate", "ca"}}).Set(seconds(authority));
        expiry_.Add({{"certificate", "serving"}}).Set(seconds(leaf));
    }

  private:
    prometheus::Gauge& weaknesses_;
    prometheus::Counter& repairs_;
    prometheus::Family<prometheus::Gauge>& expiry_;
};

class RefusalMetrics final : public HttpServerObserver {
  public:
    RefusalMetrics(prometheus::Registry& registry, const std::string& prefix)
        : refused_(prometheus::BuildCounter()
                       .Name(prefix + "_webhook_refused_total")
                       .Help("Callers of the webhooks' port that were turned away, by reason.")
                       .Register(registry)) {
        for (const char* why : {"handshake", "client_certificate", "connections", "memory"}) {
            refused_.Add({{"reason", why}});
        }
    }
    void on_refused(std::string_view why) override { refused_.Add({{"reason", std::string(why)}}).Increment(); }

  private:
    prometheus::Family<prometheus::Counter>& refused_;
};

class EventMetrics final : public EventObserver {
  public:
    explicit EventMetrics(prometheus::Registry& registry)
        : dropped_(prometheus::BuildCounter()
                       .Name("event_recorder_dropped_total")
                       .Help("Number of Events that were not stored, by reason.")
                       .Register(registry)) {
        for (const char* why : {"queue_full", "spam", "refused", "unreachable", "shutdown"}) {
            dropped_.Add({{"reason", why}});
        }
    }
    void on_dropped(std::string_view why) override { dropped_.Add({{"reason", std::string(why)}}).Increment(); }

  private:
    prometheus::Family<prometheus::Counter>& dropped_;
};

}  // namespace

std::unique_ptr<WebhookObserver> make_webhook_metrics(const Registry& registry, const std::vector<std::string>& paths) {
    return std::make_unique<WebhookMetrics>(*registry, paths);
}

std::unique_ptr<CertificateObserver> make_certificate_metrics(const Registry& registry) {
    return std::make_unique<CertificateMetrics>(*registry);
}

std::unique_ptr<WebhookTrustObserver> make_webhook_trust_metrics(const Registry& registry, const std::string& prefix) {
    return std::make_unique<WebhookTrustMetrics>(*registry, prefix);
}

std::unique_ptr<HttpServerObserver> make_refusal_metrics(const Registry& registry, const std::string& prefix) {
    return std::make_unique<RefusalMetrics>(*registry, prefix);
}

std::unique_ptr<EventObserver> make_event_metrics(const Registry& registry) {
    return std::make_unique<EventMetrics>(*registry);
}

}  // namespace kube
