#include "tests/simulation/api_process.hpp"

#include "tests/support/recording_writer.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <utility>

namespace simulation {
namespace asio = boost::asio;

/// Passes an answer on and tells its status.
class ApiProcess::TellingWriter final : public kube::HttpResponseWriter {
  public:
    TellingWriter(kube::HttpResponseWriter& writer, std::function<void(int)> tell)
        : writer_(writer), tell_(std::move(tell)) {}
    asio::awaitable<kube::Result<void>> respond(kube::HttpResponse response) override {
        tell_(response.status);
        return writer_.respond(std::move(response));
    }
    asio::awaitable<kube::Result<void>> begin(int status, kube::HttpHeaders headers) override {
        tell_(status);
        return writer_.begin(status, std::move(headers));
    }
    asio::awaitable<kube::Result<void>> write(std::string_view chunk) override { return writer_.write(chunk); }
    void abort() noexcept override { writer_.abort(); }

  private:
    kube::HttpResponseWriter& writer_;
    std::function<void(int)> tell_;
};

namespace {

kube::HttpResponse failure(int code, bool retry_after) {
    kube::HttpResponse response;
    response.status = code;
    response.headers.set("Content-Type", "application/json");
    if (retry_after) response.headers.set("Retry-After", "1");
    const std::string reason = code == 429   ? "TooManyRequests"
                               : code == 409 ? "Conflict"
                               : code == 503 ? "ServiceUnavailable"
                               : code == 504 ? "Timeout"
                                             : "InternalError";
    response.body = R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"simulated","reason":")" +
                    reason + R"(","code":)" + std::to_string(code) + "}\n";
    return response;
}

}  // namespace

ApiProcess::ApiProcess(kube::test::ManualClock& world, std::uint64_t seed, model::TransportFactory webhooks)
    : world_(world), clock_(world, context_), random_(seed) {
    model::ApiServerSettings settings;
    settings.seed = seed;
    settings.transports = std::move(webhooks);
    server_ = std::make_unique<model::ApiServer>(context_.get_executor(), clock_, std::move(settings));
}

ApiProcess::~ApiProcess() {
    context_.kill();
}

std::optional<Network::Port> ApiProcess::port() {
    if (!up_) return std::nullopt;
    return Network::Port{.context = &context_,
                         .accept = [this](std::unique_ptr<kube::ByteStream> stream, const std::string& from) {
                             asio::co_spawn(context_, serve(std::move(stream), from), asio::detached);
                             return true;
                         }};
}

void ApiProcess::fault(const Event& event) {
    windows_.push_back({event, world_.steady_now() + event.lasts});
}

const Event* ApiProcess::strikes(Kind kind) {
    for (const Window& window : windows_) {
        if (window.event.kind != kind || window.until <= world_.steady_now()) continue;
        if (static_cast<int>(random_() % 100) < window.event.percent) return &window.event;
    }
    return nullptr;
}

asio::awaitable<void> ApiProcess::serve(std::unique_ptr<kube::ByteStream> stream, std::string from) {
    const kube::HttpHandler handler = [this, from, &stream = *stream](const kube::HttpExchange& exchange,
                                                                      kube::HttpResponseWriter& writer) {
        return handle(from, stream, exchange, writer);
    };
    co_await kube::serve_http(clock_, *stream, handler, kube::HttpServerOptions(), {});
    stream->close();
}

asio::awaitable<void> ApiProcess::answer(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
    const std::string& target = exchange.request.target;
    if (!target.starts_with(kExecPath)) {
        co_await server_->handle(exchange, writer);
        co_return;
    }
    const std::string where = target.substr(kExecPath.size(), target.find('?') - kExecPath.size());
    const std::size_t slash = where.find('/');
    kube::HttpResponse response;
    const bool ran = on_exec(where.substr(0, slash), where.substr(slash + 1));
    response.body = ran ? "ended=1 left=0 hidden=0\n" : "ended=0 left=0 hidden=0\n";
    (void)co_await writer.respond(std::move(response));
}

asio::awaitable<void> ApiProcess::handle(std::string from, const kube::ByteStream& stream,
                                         const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
    const ApiCall call{.from = std::move(from),
                       .agent = std::string(exchange.request.headers.get("User-Agent")),
                       .method = exchange.request.method,
                       .target = exchange.request.target};
    if (on_call) on_call(call);
    TellingWriter telling(writer, [this, &call](int status) {
        if (on_answer) on_answer(call, status);
    });
    if (const Event* slow = strikes(Kind::slow)) {
        const auto delay = static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(slow->amount + 1));
        co_await kube::sleep_for(clock_, std::chrono::milliseconds(delay), {});
        // As kube-apiserver does: the request's context ends when its client leaves.
        if (Network::peer_left(stream)) {
            writer.abort();
            co_return;
        }
    }
    if (const Event* rejected = strikes(Kind::reject)) {
        (void)co_await telling.respond(failure(static_cast<int>(rejected->amount), random_() % 2 == 0));
        co_return;
    }
    if (call.method == "PATCH" && strikes(Kind::conflict) != nullptr) {
        (void)co_await telling.respond(failure(409, false));
        co_return;
    }
    const Event* loses = strikes(Kind::lose_answers);
    const bool writes = call.method == "PATCH" && call.target.find("dryRun=All") == std::string::npos;
    const bool lost = loses != nullptr && (loses->amount == 0 || writes);
    const bool late = !lost && strikes(Kind::time_out) != nullptr;
    if ((!lost && !late) || call.target.find("watch=1") != std::string::npos) {
        co_await answer(exchange, telling);
        co_return;
    }
    kube::test::RecordingWriter done;
    co_await answer(exchange, done);
    if (lost) {
        if (on_answer) on_answer(call, 0);
        writer.abort();
        co_return;
    }
    (void)co_await telling.respond(failure(504, random_() % 2 == 0));
}

}  // namespace simulation
