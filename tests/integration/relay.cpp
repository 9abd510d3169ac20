#include "tests/integration/relay.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <nlohmann/json.hpp>

#include <array>
#include <future>
#include <list>
#include <string>
#include <thread>

namespace endoscope::test {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// One connection on both sides.
struct Link {
    explicit Link(asio::io_context& io) : here(io), there(io) {}
    void reset() {
        for (tcp::socket* socket : {&here, &there}) {
            boost::system::error_code ignored;
            socket->set_option(asio::socket_base::linger(true, 0), ignored);
            socket->close(ignored);
        }
    }
    tcp::socket here;
    tcp::socket there;
};

/// One direction; its end is the end of the link.
asio::awaitable<void> copy(std::shared_ptr<Link> link, tcp::socket& from, tcp::socket& to) {
    std::array<char, std::size_t{16} * 1024> buffer{};
    for (;;) {
        const auto [read_code, count] = co_await from.async_read_some(asio::buffer(buffer), kTuple);
        if (read_code) break;
        const auto [write_code, written] = co_await asio::async_write(to, asio::buffer(buffer.data(), count), kTuple);
        if (write_code) break;
    }
    link->reset();
}

}  // namespace

struct Relay::Impl {
    explicit Impl(unsigned short target_port)
        : target(asio::ip::address_v4::loopback(), target_port),
          acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
          own(acceptor.local_endpoint()) {
        asio::co_spawn(io, accept(), asio::detached);
        thread = std::thread([this] { io.run(); });
    }
    ~Impl() {
        io.stop();
        thread.join();
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    asio::awaitable<void> accept() {
        for (;;) {
            auto link = std::make_shared<Link>(io);
            const auto [code] = co_await acceptor.async_accept(link->here, kTuple);
            if (code) co_return;
            const auto [refused] = co_await link->there.async_connect(target, kTuple);
            if (refused || !acceptor.is_open()) {
                link->reset();
                continue;
            }
            links.remove_if([](const std::weak_ptr<Link>& one) { return one.expired(); });
            links.push_back(link);
            asio::co_spawn(io, copy(link, link->here, link->there), asio::detached);
            asio::co_spawn(io, copy(link, link->there, link->here), asio::detached);
        }
    }

    /// Runs `call` on the thread and waits for it.
    template <class Call>
    void perform(Call call) {
        std::promise<void> done;
        asio::post(io, [&] {
            call();
            done.set_value();
        });
        done.get_future().wait();
    }

    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    tcp::endpoint target;
    tcp::acceptor acceptor;
    tcp::endpoint own;
    std::list<std::weak_ptr<Link>> links;
    std::thread thread;
};

Relay::Relay(unsigned short target) : impl_(std::make_unique<Impl>(target)) {}

Relay::~Relay() = default;

unsigned short Relay::port() const {
    return impl_->own.port();
}

void Relay::shut() {
    impl_->perform([this] {
        impl_->acceptor.close();
        for (const auto& one : impl_->links) {
            if (const auto link = one.lock()) link->reset();
        }
        impl_->links.clear();
    });
}

void Relay::open() {
    impl_->perform([this] {
        impl_->acceptor = tcp::acceptor(impl_->io, impl_->own);
        asio::co_spawn(impl_->io, impl_->accept(), asio::detached);
    });
}

std::unique_ptr<Relay> redirect(nlohmann::json& kubeconfig) {
    auto& server = kubeconfig["clusters"][0]["cluster"]["server"].get_ref<std::string&>();
    const auto colon = server.rfind(':') + 1;
    auto relay = std::make_unique<Relay>(static_cast<unsigned short>(std::stoi(server.substr(colon))));
    server.replace(colon, std::string::npos, std::to_string(relay->port()));
    return relay;
}

}  // namespace endoscope::test
