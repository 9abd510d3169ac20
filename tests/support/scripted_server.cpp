#include "tests/support/scripted_server.hpp"

#include "tests/support/run_coro.hpp"

namespace kube::test {
namespace asio = boost::asio;

namespace {

asio::awaitable<void> send_reply(HttpResponse response, HttpResponseWriter& writer) {
    co_await writer.respond(std::move(response));
}

asio::awaitable<void> send_nothing(HttpResponseWriter& writer) {
    writer.abort();
    co_return;
}

asio::awaitable<void> send_chunks(std::vector<std::string> chunks, bool stay_open, const HttpExchange& exchange,
                                  HttpResponseWriter& writer) {
    HttpHeaders headers;
    headers.set("Content-Type", "application/json");
    co_await writer.begin(200, std::move(headers));
    for (const std::string& chunk : chunks) co_await writer.write(chunk);
    if (!stay_open) co_return;
    const auto executor = co_await asio::this_coro::executor;
    Signal left(executor);
    const std::stop_callback on_stop(exchange.stop, [&left] { left.notify_all(); });
    while (!exchange.stop.stop_requested()) co_await left.wait();
}

}  // namespace

ScriptedServer::ScriptedServer(asio::any_io_executor executor, Clock& clock)
    : executor_(std::move(executor)), clock_(clock) {}

void ScriptedServer::reply(int status, std::string body, HttpHeaders headers) {
    HttpResponse response;
    response.status = status;
    response.headers = std::move(headers);
    response.headers.set("Content-Type", "application/json");
    response.body = std::move(body);
    on_next([response](const HttpExchange&, HttpResponseWriter& writer) { return send_reply(response, writer); });
}

void ScriptedServer::drop() {
    on_next([](const HttpExchange&, HttpResponseWriter& writer) { return send_nothing(writer); });
}

void ScriptedServer::stream(std::vector<std::string> chunks) {
    on_next([chunks](const HttpExchange& exchange, HttpResponseWriter& writer) {
        return send_chunks(chunks, false, exchange, writer);
    });
}

void ScriptedServer::stream_open(std::vector<std::string> chunks) {
    on_next([chunks](const HttpExchange& exchange, HttpResponseWriter& writer) {
        return send_chunks(chunks, true, exchange, writer);
    });
}

std::shared_ptr<Transport> ScriptedServer::transport() {
    return std::make_shared<MemoryTransport>([this]() -> Result<std::unique_ptr<ByteStream>> {
        ++connections_;
        auto [client, server] = make_memory_stream_pair(executor_);
        spawn(executor_, serve(std::move(server)));
        return std::unique_ptr<ByteStream>(std::move(client));
    });
}

asio::awaitable<void> ScriptedServer::serve(std::unique_ptr<MemoryStream> stream) {
    const HttpHandler handler = [this](const HttpExchange& exchange, HttpResponseWriter& writer) {
        return answer(exchange, writer);
    };
    co_await serve_http(clock_, *stream, handler, HttpServerOptions(), std::stop_token());
}

asio::awaitable<void> ScriptedServer::answer(const HttpExchange& exchange, HttpResponseWriter& writer) {
    requests_.push_back(exchange.request.method + " " + exchange.request.target);
    received_.push_back(exchange.request);
    if (script_.empty()) {
        HttpResponse response;
        response.status = 500;
        co_await writer.respond(std::move(response));
        co_return;
    }
    const Answer next = std::move(script_.front());
    script_.pop_front();
    co_await next(exchange, writer);
}

}  // namespace kube::test
