#include "kube/runtime/endpoints.hpp"

#include "kube/base/log.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr Duration kMaxDrift = std::chrono::minutes(5);

HttpResponse text(int status, std::string body, std::string content_type = "text/plain; charset=utf-8") {
    HttpResponse response;
    response.status = status;
    response.headers.set("Content-Type", std::move(content_type));
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.body = std::move(body);
    return response;
}

/// The query of a health check: "?verbose&exclude=a&exclude=b".
struct CheckQuery {
    bool verbose = false;
    std::set<std::string> excluded;

    explicit CheckQuery(std::string_view query) {
        while (!query.empty()) {
            const std::string_view pair = query.substr(0, query.find('&'));
            query.remove_prefix(std::min(query.size(), pair.size() + 1));
            const std::string_view name = pair.substr(0, pair.find('='));
            if (name == "verbose") verbose = true;
            if (name == "exclude" && name.size() < pair.size()) excluded.emplace(pair.substr(name.size() + 1));
        }
    }
};

using Checks = std::map<std::string, HealthCheck>;

/// Whether the check passes; says so in `lines`.
bool run_check(const std::string& probe, const std::string& name, const HealthCheck& check, std::string& lines) {
    const std::string problem = check();
    if (problem.empty()) {
        lines += "[+]" + name + " ok\n";
        return true;
    }
    lines += "[-]" + name + " failed: reason withheld\n";
    log::debug("health", "check failed", {{"probe", probe}, {"check", name}, {"reason", problem}});
    return false;
}

HttpResponse run_checks(const std::string& probe, const Checks& checks, CheckQuery query, int failed_status) {
    std::string lines;
    bool healthy = true;
    for (const auto& [name, check] : checks) {
        if (query.excluded.erase(name) > 0) {
            lines += "[+]" + name + " excluded: ok\n";
        } else {
            healthy = run_check(probe, name, check, lines) && healthy;
        }
    }
    for (const std::string& name : query.excluded) {
        log::debug("health", "no such check to exclude", {{"probe", probe}, {"check", name}});
    }
    if (!healthy) return text(failed_status, lines + probe + " check failed\n");
    return text(200, query.verbose ? lines + probe + " check passed\n" : "ok");
}

HttpResponse run_one(const std::string& probe, const Checks& checks, const std::string& name, int failed_status) {
    const auto check = checks.find(name);
    if (check == checks.end()) return text(404, "no such check\n");
    std::string lines;
    if (run_check(probe, name, check->second, lines)) return text(200, "ok");
    return text(failed_status, "internal server error: reason withheld\n");
}

struct HealthServer {
    Checks live;
    Checks ready;

    HttpResponse answer(const HttpRequest& request) const {
        const std::string_view target = request.target;
        const std::size_t mark = target.find('?');
        const std::string_view path = target.substr(0, mark);
        const CheckQuery query(mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1));
        for (const std::string probe : {"healthz", "livez", "readyz"}) {
            const bool is_readiness = probe == "readyz";
            const Checks& checks = is_readiness ? ready : live;
            const int failed_status = is_readiness ? 503 : 500;
            if (path == "/" + probe || path == "/" + probe + "/")
                return run_checks(probe, checks, query, failed_status);
            if (path.starts_with("/" + probe + "/")) {
                return run_one(probe, checks, std::string(path.substr(probe.size() + 2)), failed_status);
            }
        }
        return text(404, "not found\n");
    }
};

struct MetricsServer {
    Registry registry;
    std::function<void()> before_scrape;

    HttpResponse answer(const HttpRequest& request) const {
        if (request.target.substr(0, request.target.find('?')) != "/metrics") return text(404, "not found\n");
        if (before_scrape) before_scrape();
        return text(200, render_metrics(registry), "text/plain; version=0.0.4; charset=utf-8");
    }
};

template <class Server>
asio::awaitable<void> serve(std::shared_ptr<const Server> server, const HttpExchange& exchange,
                            HttpResponseWriter& writer) {
    HttpResponse response;
    if (exchange.request.method == "GET" || exchange.request.method == "HEAD") {
        response = server->answer(exchange.request);
    } else {
        response = text(405, "GET only\n");
    }
    co_await writer.respond(std::move(response));
}

template <class Server>
HttpHandler handler_of(Server server) {
    auto shared = std::make_shared<const Server>(std::move(server));
    return [shared](const HttpExchange& exchange, HttpResponseWriter& writer) {
        return serve<Server>(shared, exchange, writer);
    };
}

}  // namespace

HttpHandler make_health_handler(std::map<std::string, HealthCheck> live, std::map<std::string, HealthCheck> ready) {
    for (Checks* const checks : {&live, &ready}) {
        if (checks->empty()) checks->emplace("ping", [] { return std::string(); });
    }
    return handler_of(HealthServer{.live = std::move(live), .ready = std::move(ready)});
}

HealthCheck make_clock_check(const Clock& clock) {
    return [&clock, wall = clock.now(), steady = clock.steady_now()] {
        const auto passed = std::chrono::duration_cast<Duration>(clock.now() - wall);
        const Duration drift = passed - (clock.steady_now() - steady);
        if (drift < kMaxDrift && drift > -kMaxDrift) return std::string();
        return std::string("wall clock and monotonic clock have drifted apart");
    };
}

HttpHandler make_metrics_handler(Registry registry, std::function<void()> before_scrape) {
    return handler_of(MetricsServer{.registry = std::move(registry), .before_scrape = std::move(before_scrape)});
}

}  // namespace kube
