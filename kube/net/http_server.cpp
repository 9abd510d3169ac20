#include "kube/base/log.hpp"
#include "kube/base/task_group.hpp"
#include "kube/net/http.hpp"
#include "kube/net/http_connections.hpp"

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
          options(std::move(limits)),
          table(options),
          connections(std::move(executor)) {}

    /// Serves one connection. Whatever goes wrong in it is its own affair. `self` keeps the books alive for it.
    static asio::awaitable<void> serve(std::shared_ptr<Impl> self, std::unique_ptr<ByteStream> stream,
                                       std::stop_token stop) {
        ByteStream& bytes = *stream;
        ConnectionTable::Slot slot(self->table, bytes);
        try {
            const auto ready = co_await self->handshake(bytes, stop);
            if (ready) {
                co_await serve_http(self->clock, bytes, self->handler, self->options, stop, &slot);
            } else if (ready.error().kind != ErrorKind::cancelled) {
                // Port scanners and health checks of load balancers end here all day long.
                if (self->options.observer != nullptr) self->options.observer->on_refused("handshake");
                log::debug("http", "handshake failed", {{"error", ready.error().message}});
            }
        } catch (const std::exception& error) {
            log::error("http", "connection failed", {{"error", error.what()}});
        }
        bytes.close();
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
    ConnectionTable table;
    TaskGroup connections;
};

HttpServer::HttpServer(asio::any_io_executor executor, Clock& clock, std::unique_ptr<Listener> listener,
                       HttpHandler handler, HttpServerOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), clock, std::move(listener), std::move(handler),
                                   std::move(options))) {}

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
            if (!self->table.make_room()) {
                if (!warned) log::warn("http", "too many connections", {{"limit", self->options.max_connections}});
                warned = true;
                (*stream)->close();
                continue;
            }
            warned = false;
            self->connections.spawn("http connection", Impl::serve(self, std::move(*stream), stop));
        }
    }
    self->listener->close();
    const auto cut = self->clock.call_after(drain, [&self] { self->table.close_all(); });
    co_await self->connections.join();
}

}  // namespace kube
