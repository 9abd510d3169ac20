#include "controller/pod_view.hpp"
#include "controller/stored_request.hpp"
#include "kube/base/clock.hpp"
#include "kube/client/client.hpp"
#include "kube/runtime/reflector.hpp"
#include "kube/runtime/store.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/generated_server.hpp"
#include "tests/bench/objects.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include <stop_token>
#include <string>
#include <utility>
#include <vector>

// Watch events through client and reflector into a store, beside nlohmann's parsers on the same bytes.

namespace endoscope::bench {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

/// Of one watch; many enough that opening it does not count.
constexpr std::int64_t kEvents = 1000;

std::vector<std::string> pod_events() {
    std::vector<std::string> events;
    for (std::int64_t i = 0; i < kEvents; ++i) events.push_back(watch_event(pod_json(i)));
    return events;
}

std::vector<std::string> request_events() {
    std::vector<std::string> events;
    for (std::int64_t i = 0; i < kEvents; ++i) {
        events.push_back(watch_event(debug_request_json(i, RequestState::running)));
    }
    return events;
}

/// Adds MB/s to events/s.
class Throughput final {
  public:
    Throughput(benchmark::State& state, const std::vector<std::string>& events)
        : measurement_(state, static_cast<std::int64_t>(events.size())), state_(state) {
        for (const std::string& event : events) bytes_ += static_cast<std::int64_t>(event.size());
    }
    ~Throughput() { state_.SetBytesProcessed(bytes_ * static_cast<std::int64_t>(state_.iterations())); }
    Throughput(const Throughput&) = delete;
    Throughput& operator=(const Throughput&) = delete;

  private:
    Measurement measurement_;
    benchmark::State& state_;
    std::int64_t bytes_ = 0;
};

/// One watch from its first event to its last, as the operator runs it, but for TLS.
void watch_once(const std::vector<std::string>& events, kube::ReflectorSink& sink, bool drop_managed_fields) {
    asio::io_context context(1);
    const auto clock = kube::make_system_clock(context.get_executor());
    std::stop_source stop;
    const auto transport = make_generated_server([&](std::string_view) -> Body {
        return [&, next = events.begin()]() mutable -> std::optional<std::string_view> {
            if (next != events.end()) return *next++;
            stop.request_stop();
            return std::nullopt;
        };
    });
    kube::Client client(transport, *clock, {});
    kube::ReflectorOptions options;
    options.name = "bench";
    options.path = "/api/v1/pods";
    options.resume_from = "1";
    options.drop_managed_fields = drop_managed_fields;
    kube::Reflector reflector(client, *clock, sink, options);
    asio::co_spawn(context, reflector.run(stop.get_token()), [&context](const std::exception_ptr&) { context.stop(); });
    context.run();
}

template <class T>
void reflect(benchmark::State& state, const std::vector<std::string>& events,
             typename kube::Store<T>::Projection project, bool drop_managed_fields) {
    kube::Store<T> store(std::move(project), kube::object_key);
    {
        const Throughput throughput(state, events);
        for (auto _ : state) watch_once(events, store, drop_managed_fields);
    }
    if (store.size() != events.size()) state.SkipWithError("events are missing from the store");
}

/// The least projection there is: what the reflector itself costs.
void reflector_pods_minimal(benchmark::State& state) {
    reflect<int>(state, pod_events(), [](const json& object) { return std::pair(kube::object_key(object), 0); }, false);
}
BENCHMARK(reflector_pods_minimal);

void reflector_pods(benchmark::State& state) {
    reflect<controller::PodView>(
        state, pod_events(),
        [](const json& object) { return std::pair(kube::object_key(object), controller::parse_pod(object).value()); },
        true);
}
BENCHMARK(reflector_pods);

void reflector_requests(benchmark::State& state) {
    reflect<controller::CachedRequest>(
        state, request_events(),
        [](const json& object) { return std::pair(kube::object_key(object), controller::cache_request(object)); },
        true);
}
BENCHMARK(reflector_requests);

/// The least that a program with nlohmann's trees does.
void parse_dom(benchmark::State& state, const std::vector<std::string>& events) {
    const Throughput throughput(state, events);
    for (auto _ : state) {
        for (const std::string& event : events) benchmark::DoNotOptimize(json::parse(event));
    }
}
BENCHMARK_CAPTURE(parse_dom, pods, pod_events());
BENCHMARK_CAPTURE(parse_dom, requests, request_events());

/// Takes every value and keeps none.
class NullHandler final : public nlohmann::json_sax<json> {
  public:
    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return true; }
    bool number_integer(number_integer_t /*value*/) override { return true; }
    bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
    bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
    bool string(string_t& /*value*/) override { return true; }
    bool binary(binary_t& /*value*/) override { return true; }
    bool start_object(std::size_t /*elements*/) override { return true; }
    bool key(string_t& /*value*/) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t /*elements*/) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                     const nlohmann::detail::exception& /*error*/) override {
        return false;
    }
};

/// The least that anything on nlohmann's lexer does.
void parse_sax(benchmark::State& state, const std::vector<std::string>& events) {
    const Throughput throughput(state, events);
    NullHandler handler;
    for (auto _ : state) {
        for (const std::string& event : events) {
            if (!json::sax_parse(event, &handler)) state.SkipWithError("not JSON");
        }
    }
}
BENCHMARK_CAPTURE(parse_sax, pods, pod_events());
BENCHMARK_CAPTURE(parse_sax, requests, request_events());

}  // namespace
}  // namespace endoscope::bench
