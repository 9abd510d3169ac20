#include "kube/base/log.hpp"
#include "kube/base/task_group.hpp"
#include "kube/net/http.hpp"

#include <set>
#include <utility>

namespace kube {
namespace asio = boost::asio;

namespace {

// Out of file descriptors is the usual reason, and accepting again at once would only spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

}  // namespace

struct HttpServer::Impl {
    Impl(asio::any_io_executor executor, Clock& time, std::unique_ptr<Listener> source, HttpHandler answer,
         HttpServerOptions limits)
        : clock(time),
          listener(std::move(source)),
          handler(std::move(answer)),
          options(limits),
          connections(std::move(executor)) {}

    /// Serves one connection. Whatever goes wrong in it is its own affair.
    asio::awaitable<void> serve(std::unique_ptr<ByteStream> stream, std::stop_token stop) {
        ByteStream& bytes = *stream;
        streams.insert(&bytes);
        try {
            const auto ready = co_await handshake(bytes, stop);
            if (ready) {
                co_await serve_http(clock, bytes, handler, options, stop);
            } else if (ready.error().kind != ErrorKind::cancelled) {
                // Port scanners and health checks of load balancers end here all day long.
                log::debug("http", "handshake failed", {{"error", ready.error().message}});
            }
        } catch (const std::exception& error) {
            log::error("http", "connection failed", {{"error", error.what()}});
        }
        bytes.close();
        streams.erase(&bytes);
    }

    asio::awaitable<Result<void>> handshake(ByteStream& stream, std::stop_token stop) {
        const std::stop_callback on_stop(stop, [&stream] { stream.close(); });
        auto done = co_await listener->handshake(stream);
        co_return done;
    }

    Clock& clock;
    std::unique_ptr<Listener> listener;
    HttpHandler handler;
    HttpServerOptions options;
    TaskGroup connections;
    std::set<ByteStream*> streams;
};

HttpServer::HttpServer(asio::any_io_executor executor, Clock& clock, std::unique_ptr<Listener> listener,
                       HttpHandler handler, HttpServerOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), clock, std::move(listener), std::move(handler), options)) {}

HttpServer::~HttpServer() = default;

unsigned short HttpServer::port() const {
    return impl_->listener->port();
}

asio::awaitable<void> HttpServer::run(std::stop_token stop, Duration drain) {
    const auto self = impl_;
    {
        const std::stop_callback on_stop(stop, [&self] { self->listener->close(); });
        bool warned = false;
        while (!stop.stop_requested()) {
            auto stream = co_await self->listener->accept();
            if (stop.stop_requested()) break;
            if (!stream) {
                log::warn("http", "cannot accept a connection", {{"error", stream.error().message}});
                co_await sleep_for(self->clock, kAcceptPause, stop);
                continue;
            }
            if (self->connections.running() >= self->options.max_connections) {
                if (!warned) log::warn("http", "too many connections", {{"limit", self->options.max_connections}});
                warned = true;
                (*stream)->close();
                continue;
            }
            warned = false;
            self->connections.spawn("http connection", self->serve(std::move(*stream), stop));
        }
    }
    self->listener->close();
    const auto cut = self->clock.call_after(drain, [&self] {
        for (ByteStream* stream : self->streams) stream->close();
    });
    co_await self->connections.join();
}

}  // namespace kube
