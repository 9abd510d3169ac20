#include "kube/runtime/endpoints.hpp"

#include "kube/base/log.hpp"

namespace kube {
namespace asio = boost::asio;

namespace {

HttpResponse text(int status, std::string body, std::string content_type = "text/plain; charset=utf-8") {
    HttpResponse response;
    response.status = status;
    response.headers.set("Content-Type", std::move(content_type));
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.body = std::move(body);
    return response;
}

HttpResponse run_checks(const std::string& name, const std::map<std::string, HealthCheck>& checks,
                        const std::string& only, bool verbose, int failed_status) {
    std::string lines;
    bool healthy = true;
    bool found = only.empty();
    for (const auto& [check, run] : checks) {
        if (!only.empty() && check != only) continue;
        found = true;
        const std::string problem = run();
        if (problem.empty()) {
            lines += "[+]" + check + " ok\n";
        } else {
            healthy = false;
            lines += "[-]" + check + " failed: reason withheld\n";
            log::debug("health", "check failed", {{"probe", name}, {"check", check}, {"reason", problem}});
        }
    }
    if (!found) return text(404, "no such check\n");
    if (!healthy) return text(failed_status, lines + name + " check failed\n");
    return text(200, verbose ? lines + name + " check passed\n" : "ok");
}

struct HealthServer {
    std::map<std::string, HealthCheck> live;
    std::map<std::string, HealthCheck> ready;

    HttpResponse answer(const HttpRequest& request) const {
        const std::size_t query = request.target.find('?');
        const std::string path = request.target.substr(0, query);
        const bool verbose = query != std::string::npos && request.target.substr(query).contains("verbose");
        if (path == "/healthz" || path.starts_with("/healthz/")) {
            return run_checks("healthz", live, path.size() > 9 ? path.substr(9) : "", verbose, 500);
        }
        if (path == "/readyz" || path.starts_with("/readyz/")) {
            return run_checks("readyz", ready, path.size() > 8 ? path.substr(8) : "", verbose, 503);
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
    return handler_of(HealthServer{.live = std::move(live), .ready = std::move(ready)});
}

HttpHandler make_metrics_handler(Registry registry, std::function<void()> before_scrape) {
    return handler_of(MetricsServer{.registry = std::move(registry), .before_scrape = std::move(before_scrape)});
}

}  // namespace kube
