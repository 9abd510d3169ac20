#include "kube/net/dial.hpp"

#include "kube/base/signal.hpp"
#include "kube/net/streams.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cctype>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <vector>

namespace kube {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr Duration kDialTimeout = std::chrono::seconds(30);
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

void set_tcp_option(tcp::socket& socket, int name, int value) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, name, &value, sizeof value);
}

/// Not by Asio's option: that one is switched off again when a socket is destroyed without having been closed.
void reset_on_close(tcp::socket& socket) {
    const ::linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/// A name look-up that can be given up: Asio runs getaddrinfo on a thread and cannot interrupt it.
struct LookUp {
    explicit LookUp(const asio::any_io_executor& executor) : resolver(executor), changed(executor) {}
    tcp::resolver resolver;
    Signal changed;
    bool finished = false;
    bool late = false;
    boost::system::error_code code;
    std::vector<tcp::endpoint> endpoints;
};

asio::awaitable<Result<std::vector<tcp::endpoint>>> resolve(asio::any_io_executor executor, Clock& clock,
                                                            std::string host, unsigned short port,
                                                            std::stop_token stop) {
    boost::system::error_code not_an_address;
    const auto address = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) co_return std::vector<tcp::endpoint>(1, tcp::endpoint(address, port));
    const auto look_up = std::make_shared<LookUp>(executor);
    const auto deadline = clock.call_after(kDialTimeout, [look_up] {
        look_up->late = true;
        look_up->changed.notify_all();
    });
    const std::stop_callback on_stop(stop, [look_up] { look_up->changed.notify_all(); });
    look_up->resolver.async_resolve(
        host, std::to_string(port), tcp::resolver::numeric_service,
        [look_up](const boost::system::error_code& code, const tcp::resolver::results_type& results) {
            look_up->finished = true;
            look_up->code = code;
            for (const auto& entry : results) look_up->endpoints.push_back(entry.endpoint());
            look_up->changed.notify_all();
        });
    while (!look_up->finished && !look_up->late && !stop.stop_requested()) co_await look_up->changed.wait();
    if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "look up " + host + ": stopped");
    if (!look_up->finished) co_return fail(ErrorKind::timeout, "look up " + host + ": timed out");
    if (look_up->code) co_return fail(ErrorKind::transport, "look up " + host + ": " + describe(look_up->code));
    co_return std::move(look_up->endpoints);
}

}  // namespace

asio::awaitable<Result<tcp::socket>> dial(asio::any_io_executor executor, Clock& clock, std::string host,
                                          unsigned short port, std::stop_token stop) {
    const std::string what = "connect " + host_and_port(host, port) + ": ";
    if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, what + "stopped");
    const SteadyTime started = clock.steady_now();
    const auto endpoints = co_await resolve(executor, clock, std::move(host), port, stop);
    if (!endpoints) co_return std::unexpected(endpoints.error());
    Error failure = fail(ErrorKind::transport, what + "no address").error();
    for (std::size_t i = 0; i < endpoints->size(); ++i) {
        // One dead address of several must not use up the time of the others.
        const Duration left = kDialTimeout - (clock.steady_now() - started);
        const Duration share = std::max(left, Duration::zero()) / static_cast<Duration::rep>(endpoints->size() - i);
        tcp::socket socket(executor);
        bool late = false;
        const auto give_up = [&socket] {
            boost::system::error_code ignored;
            socket.close(ignored);
        };
        const auto deadline = clock.call_after(share, [&late, &give_up] {
            late = true;
            give_up();
        });
        const std::stop_callback on_stop(stop, give_up);
        const auto [code] = co_await socket.async_connect((*endpoints)[i], kTuple);
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, what + "stopped");
        if (!code && !late) {
            set_socket_options(socket);
            reset_on_close(socket);
            co_return std::move(socket);
        }
        failure = fail(late ? ErrorKind::timeout : ErrorKind::transport, what + (late ? "timed out" : describe(code)))
                      .error();
    }
    co_return std::unexpected(std::move(failure));
}

std::string describe(const boost::system::error_code& code) {
    std::string text = code.message();
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    }
    return text;
}

std::string host_and_port(const std::string& host, unsigned short port) {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

void set_socket_options(tcp::socket& socket) {
    // None of them is worth failing a connection for.
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    set_tcp_option(socket, TCP_KEEPIDLE, 30);
    set_tcp_option(socket, TCP_KEEPINTVL, 15);
    set_tcp_option(socket, TCP_USER_TIMEOUT, 45'000);  // milliseconds
}

}  // namespace kube
