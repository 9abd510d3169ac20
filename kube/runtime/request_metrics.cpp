#include "kube/runtime/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <unordered_map>

namespace kube {

namespace {

using Histogram = prometheus::Histogram;
using Counter = prometheus::Counter;

const Histogram::BucketBoundaries kDurationBuckets = {.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60};
const Histogram::BucketBoundaries kSizeBuckets = {64,    256,    512,     1024,    4096,    16384,
                                                  65536, 262144, 1048576, 4194304, 16777216};

/// Names and buckets are those of controller-runtime and component-base (pkg/metrics/client_go_adapter.go).
class RequestMetrics final : public RequestObserver {
  public:
    explicit RequestMetrics(prometheus::Registry& registry)
        : total_(counter(registry, "rest_client_requests_total",
                         "Number of HTTP requests, partitioned by status code, method, and host.")),
          retries_(counter(registry, "rest_client_request_retries_total",
                           "Number of request retries, partitioned by status code, verb, and host.")),
          duration_(histogram(registry, "rest_client_request_duration_seconds",
                              "Request latency in seconds. Broken down by verb, and host.")),
          limiter_(histogram(registry, "rest_client_rate_limiter_duration_seconds",
                             "Client side rate limiter latency in seconds. Broken down by verb, and host.")),
          request_size_(histogram(registry, "rest_client_request_size_bytes",
                                  "Request size in bytes. Broken down by verb and host.")),
          response_size_(histogram(registry, "rest_client_response_size_bytes",
                                   "Response size in bytes. Broken down by verb and host.")) {}

    void on_request(std::string_view method, std::string_view host, std::string_view code, Duration elapsed) override {
        const prometheus::Labels labels = {
            {"code", std::string(code)}, {"method", std::string(method)}, {"host", std::string(host)}};
        count(total_, requests_by_code_, labels, method, host, code);
        of(method, host).duration.Observe(std::chrono::duration<double>(elapsed).count());
    }
    void on_retry(std::string_view method, std::string_view host, std::string_view code) override {
        const prometheus::Labels labels = {
            {"code", std::string(code)}, {"verb", std::string(method)}, {"host", std::string(host)}};
        count(retries_, retries_by_code_, labels, method, host, code);
    }
    void on_request_size(std::string_view method, std::string_view host, std::size_t bytes) override {
        of(method, host).request_size.Observe(static_cast<double>(bytes));
    }
    void on_response_size(std::string_view method, std::string_view host, std::size_t bytes) override {
        of(method, host).response_size.Observe(static_cast<double>(bytes));
    }
    void on_rate_limited(std::string_view method, std::string_view host, Duration waited) override {
        of(method, host).limiter.Observe(std::chrono::duration<double>(waited).count());
    }

  private:
    /// Series are looked up once: a look-up in the registry takes locks and copies of labels.
    struct Series {
        Histogram& duration;
        Histogram& limiter;
        Histogram& request_size;
        Histogram& response_size;
    };
    using Counters = std::unordered_map<std::string, Counter*>;

    static prometheus::Family<Counter>& counter(prometheus::Registry& registry, const char* name, const char* help) {
        return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    }
    static prometheus::Family<Histogram>& histogram(prometheus::Registry& registry, const char* name,
                                                    const char* help) {
        return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
    }
    static std::string key_of(std::string_view method, std::string_view host, std::string_view code = {}) {
        return std::string(method).append(" ").append(host).append(" ").append(code);
    }
    static void count(prometheus::Family<Counter>& family, Counters& known, const prometheus::Labels& labels,
                      std::string_view method, std::string_view host, std::string_view code) {
        Counter*& series = known[key_of(method, host, code)];
        if (series == nullptr) series = &family.Add(labels);
        series->Increment();
    }
    Series& of(std::string_view method, std::string_view host) {
        const std::string key = key_of(method, host);
        if (const auto found = series_.find(key); found != series_.end()) return found->second;
        const prometheus::Labels labels = {{"verb", std::string(method)}, {"host", std::string(host)}};
        const Series series{.duration = duration_.Add(labels, kDurationBuckets),
                            .limiter = limiter_.Add(labels, kDurationBuckets),
                            .request_size = request_size_.Add(labels, kSizeBuckets),
                            .response_size = response_size_.Add(labels, kSizeBuckets)};
        return series_.emplace(key, series).first->second;
    }

    prometheus::Family<Counter>& total_;
    prometheus::Family<Counter>& retries_;
    prometheus::Family<Histogram>& duration_;
    prometheus::Family<Histogram>& limiter_;
    prometheus::Family<Histogram>& request_size_;
    prometheus::Family<Histogram>& response_size_;
    Counters requests_by_code_;
    Counters retries_by_code_;
    std::unordered_map<std::string, Series> series_;
};

}  // namespace

std::unique_ptr<RequestObserver> make_request_metrics(const Registry& registry) {
    return std::make_unique<RequestMetrics>(*registry);
}

}  // namespace kube
