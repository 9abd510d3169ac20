#include "controller/stored_request.hpp"
#include "kube/base/clock.hpp"
#include "kube/client/client.hpp"
#include "kube/runtime/reflector.hpp"
#include "kube/runtime/store.hpp"
#include "kube/runtime/work_queue.hpp"
#include "tests/bench/generated_server.hpp"
#include "tests/bench/objects.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <malloc.h>
#include <stop_token>
#include <string>
#include <string_view>

// Memory of a cache of DebugRequests, filled by client and reflector from a server that makes the pages while they are
// read; then every request is taken from the queue once. One process measures one state, since a process never forgets
// its peak.

namespace endoscope::bench {
namespace {

namespace asio = boost::asio;

/// A field of /proc/self/status, in KiB.
long status_kib(const std::string& field) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field + ":")) return std::atol(line.c_str() + field.size() + 1);
    }
    return 0;
}

std::int64_t number_after(std::string_view text, std::string_view mark, std::int64_t otherwise) {
    const std::size_t found = text.find(mark);
    if (found == std::string_view::npos) return otherwise;
    std::int64_t number = otherwise;
    std::from_chars(text.data() + found + mark.size(), text.data() + text.size(), number);
    return number;
}

/// A list of `total` requests in pages; the continue token is the number of the next.
Body list_page(std::string_view target, std::int64_t total, RequestState state) {
    const std::int64_t first = number_after(target, "continue=", 0);
    const std::int64_t end = std::min(total, first + number_after(target, "limit=", total));
    return [=, next = first, piece = std::string(), ended = false]() mutable -> std::optional<std::string_view> {
        if (ended) return std::nullopt;
        piece = next == first ? R"({"kind":"DebugRequestList","items":[)" : "";
        if (next < end) {
            if (next > first) piece += ',';
            piece += debug_request_json(next++, state);
        } else {
            const std::string token = end < total ? std::to_string(end) : std::string();
            piece += R"(],"metadata":{"resourceVersion":"1000000","continue":")" + token + "\"}}";
            ended = true;
        }
        return piece;
    };
}

using Requests = kube::Store<controller::CachedRequest>;

/// Looks at every request once, as the reconciler does after a start.
asio::awaitable<void> work_off(kube::WorkQueue& queue, const Requests& requests) {
    while (queue.depth() > 0) {
        const auto key = co_await queue.get({});
        if (const auto cached = requests.get(*key)) controller::read_request(*cached);
        queue.forget(*key);
        queue.done(*key);
    }
}

int measure(std::int64_t total, RequestState state) {
    asio::io_context context(1);
    const auto clock = kube::make_system_clock(context.get_executor());
    std::stop_source stop;
    const auto transport = make_generated_server([&](std::string_view target) -> Body {
        if (target.find("watch=1") == std::string_view::npos) return list_page(target, total, state);
        return [&stop]() -> std::optional<std::string_view> {
            stop.request_stop();
            return std::nullopt;
        };
    });
    kube::Client client(transport, *clock, {});
    Requests store(
        [](const nlohmann::json& object) {
            return std::pair(kube::object_key(object), controller::cache_request(object));
        },
        kube::object_key);
    kube::WorkQueue queue(context.get_executor(), *clock);
    store.on_change([&](const std::string& key, const auto&, const auto&) { queue.add(key, store.priority()); });
    kube::ReflectorOptions options;
    options.name = "debugrequests";
    options.path = "/apis/endoscope.dev/v1alpha1/debugrequests";
    options.drop_managed_fields = true;
    kube::Reflector reflector(client, *clock, store, options);
    const long before = status_kib("VmRSS");
    const std::size_t heap_before = mallinfo2().uordblks;
    const auto ended = [&context](const std::exception_ptr&) { context.stop(); };
    asio::co_spawn(context, reflector.run(stop.get_token()), ended);
    context.run();
    if (std::cmp_not_equal(store.size(), total)) {
        std::fprintf(stderr, "endoscope-bench-memory: %zu requests stored, not %lld\n", store.size(),
                     static_cast<long long>(total));
        return 1;
    }
    const long synced = status_kib("VmRSS");
    asio::co_spawn(context, work_off(queue, store), ended);
    context.restart();
    context.run();
    const long peak = status_kib("VmHWM");
    malloc_trim(0);
    const long steady = status_kib("VmRSS");
    const double count = static_cast<double>(std::max<std::int64_t>(total, 1));
    std::printf(
        "%-9s %7lld stored  %6zu bytes of JSON each  %6.0f bytes of RSS each  %6.0f bytes of heap each  "
        "start %5.1f MiB  peak %6.1f MiB  synced %6.1f MiB  steady %6.1f MiB  peak/steady %.2f\n",
        state == RequestState::running ? "Running" : "Succeeded", static_cast<long long>(total),
        debug_request_json(0, state).size(), static_cast<double>(steady - before) * 1024 / count,
        static_cast<double>(mallinfo2().uordblks - heap_before) / count, static_cast<double>(before) / 1024,
        static_cast<double>(peak) / 1024, static_cast<double>(synced) / 1024, static_cast<double>(steady) / 1024,
        static_cast<double>(peak) / static_cast<double>(steady));
    return 0;
}

}  // namespace
}  // namespace endoscope::bench

int main(int argc, char** argv) {
    using endoscope::bench::RequestState;
    const std::string_view state = argc == 3 ? argv[2] : "";
    const long long total = argc == 3 ? std::atoll(argv[1]) : 0;
    if (total <= 0 || (state != "Running" && state != "Succeeded")) {
        std::fputs("usage: endoscope-bench-memory COUNT Running|Succeeded\n", stderr);
        return 2;
    }
    return endoscope::bench::measure(total, state == "Running" ? RequestState::running : RequestState::succeeded);
}
