#include "tests/simulation/network.hpp"

#include "kube/base/signal.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace simulation {
namespace asio = boost::asio;
using kube::ErrorKind;
using kube::Result;

namespace {

/// What the kernel gives a connection to nobody, and a peer that does not answer any more (TCP_USER_TIMEOUT,
/// keepalive).
constexpr kube::Duration kConnectTimeout = std::chrono::seconds(30);
constexpr kube::Duration kDeadPeer = std::chrono::seconds(60);

}  // namespace

/// What one end receives.
struct Network::Half {
    struct Message {
        std::string bytes;
        kube::SteadyTime due;
        bool end = false;    ///< The peer closed.
        bool reset = false;  ///< The connection broke behind these bytes.
    };
    std::deque<Message> flying;
    std::unique_ptr<kube::Timer> timer;
    std::string arrived;
    std::string broken;
    bool ended = false;
    bool closed = false;  ///< By its own process.
    std::shared_ptr<kube::Signal> changed;
};

struct Network::Connection {
    std::string names[2];  ///< 0: who connected.
    Half halves[2];        ///< By receiver.
    kube::SteadyTime stalled_until[2]{};
    bool silent = false;
    bool over = false;
    std::unique_ptr<kube::Timer> gives_up;

    bool is_of(const std::string& process) const { return names[0] == process || names[1] == process; }
};

class Stream final : public kube::ByteStream {
  public:
    using Connection = Network::Connection;
    Stream(Network& network, std::shared_ptr<Connection> connection, int end, ProcessContext& context)
        : network_(network), connection_(std::move(connection)), end_(end) {
        own().changed = std::make_shared<kube::Signal>(context.get_executor());
    }
    ~Stream() override {
        close();
        own().changed.reset();
        network_.forget(*connection_);
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    asio::awaitable<Result<std::size_t>> read_some(std::span<char> buffer) override {
        const auto keep = connection_;
        Network::Half& half = own();
        for (;;) {
            if (half.closed) co_return kube::fail(ErrorKind::cancelled, "closed");
            if (!half.arrived.empty()) break;
            if (!half.broken.empty()) co_return kube::fail(ErrorKind::transport, half.broken);
            if (half.ended) co_return std::size_t{0};
            const auto changed = half.changed;
            co_await changed->wait();
        }
        const std::size_t count = std::min(buffer.size(), half.arrived.size());
        std::copy_n(half.arrived.begin(), count, buffer.begin());
        half.arrived.erase(0, count);
        co_return count;
    }

    asio::awaitable<Result<void>> write(std::string_view bytes) override {
        if (own().closed) co_return kube::fail(ErrorKind::cancelled, "closed");
        if (!own().broken.empty()) co_return kube::fail(ErrorKind::transport, own().broken);
        network_.send(connection_, end_, std::string(bytes));
        co_return Result<void>();
    }

    void close() noexcept override {
        if (own().closed) return;
        own().closed = true;
        network_.finish(connection_, end_);
        if (own().changed) own().changed->notify_all();
    }

    std::optional<kube::PeerCertificate> peer_certificate() const override { return peer; }

    std::optional<kube::PeerCertificate> peer;
    bool peer_left() const {
        const Network::Half& half = connection_->halves[end_];
        return half.ended || !half.broken.empty();
    }

  private:
    Network::Half& own() { return connection_->halves[end_]; }

    Network& network_;
    std::shared_ptr<Connection> connection_;
    int end_;
};

class SimTransport final : public kube::Transport {
  public:
    SimTransport(Network& network, ProcessContext& context, std::string process, std::string port)
        : network_(network),
          context_(context),
          clock_(network.clock_, context),
          process_(std::move(process)),
          port_(std::move(port)) {}

    std::string_view host() const override { return port_; }

    asio::awaitable<Result<std::unique_ptr<kube::ByteStream>>> connect(std::stop_token stop) override {
        const kube::SteadyTime give_up = clock_.steady_now() + kConnectTimeout;
        const auto way = network_.partitioned_.find(process_);
        if (way != network_.partitioned_.end() && way->second > clock_.steady_now()) {
            co_await kube::sleep_for(clock_, std::min(way->second, give_up) - clock_.steady_now(), stop);
        }
        if (clock_.steady_now() >= give_up) {
            co_return kube::fail(ErrorKind::timeout, "connect " + port_ + ": timed out");
        }
        co_await kube::sleep_for(clock_, network_.latency(), stop);
        if (stop.stop_requested()) co_return kube::fail(ErrorKind::cancelled, "stopped");
        const auto port = network_.find_port_(port_);
        if (!port) co_return kube::fail(ErrorKind::transport, "connect " + port_ + ": connection refused");
        auto connection = std::make_shared<Network::Connection>();
        connection->names[0] = process_;
        connection->names[1] = port_;
        auto mine = std::make_unique<Stream>(network_, connection, 0, context_);
        auto theirs = std::make_unique<Stream>(network_, connection, 1, *port->context);
        // The rights of manifests/rbac and no more.
        theirs->peer = kube::PeerCertificate{.common_name = "system:serviceaccount:endoscope-system:endoscope-operator",
                                             .organizations = {}};
        network_.connections_.push_back(connection);
        if (!port->accept(std::move(theirs), process_)) {
            co_return kube::fail(ErrorKind::transport, "connect " + port_ + ": connection refused");
        }
        co_return std::unique_ptr<kube::ByteStream>(std::move(mine));
    }

  private:
    Network& network_;
    ProcessContext& context_;
    ProcessClock clock_;
    std::string process_;
    std::string port_;
};

Network::Network(kube::test::ManualClock& clock, std::uint64_t seed, FindPort find_port)
    : clock_(clock), random_(seed), find_port_(std::move(find_port)) {}

Network::~Network() = default;

std::shared_ptr<kube::Transport> Network::transport(ProcessContext& context, const std::string& process,
                                                    const std::string& port) {
    return std::make_shared<SimTransport>(*this, context, process, port);
}

kube::Duration Network::latency() {
    std::uniform_int_distribution<std::int64_t> pick(least_latency_.count(), most_latency_.count());
    return kube::Duration(pick(random_));
}

void Network::set_latency(kube::Duration least, kube::Duration most) {
    least_latency_ = least;
    most_latency_ = most;
}

void Network::send(const std::shared_ptr<Connection>& connection, int from, std::string bytes) {
    if (connection->silent || connection->over) return;
    Half& to = connection->halves[1 - from];
    Half::Message message{.bytes = std::move(bytes), .due = clock_.steady_now() + latency()};
    if (!to.flying.empty()) message.due = std::max(message.due, to.flying.back().due);
    for (const std::string& name : connection->names) {
        const auto cut = cuts_.find(name);
        if (cut == cuts_.end() || message.reset) continue;
        if (cut->second > message.bytes.size()) {
            cut->second -= message.bytes.size();
            continue;
        }
        message.bytes.resize(cut->second);
        message.reset = true;
        connection->halves[from].broken = "connection reset by peer";
        if (connection->halves[from].changed) connection->halves[from].changed->notify_all();
    }
    if (message.reset) {
        for (const std::string& name : connection->names) cuts_.erase(name);
    }
    to.flying.push_back(std::move(message));
    if (!to.timer) schedule(connection, 1 - from);
}

void Network::finish(const std::shared_ptr<Connection>& connection, int from) {
    if (connection->over) return;
    Half& to = connection->halves[1 - from];
    // Who gives up a request closes abruptly: what is on the wire arrives, what would have to be sent again never does.
    if (from == 0 && is_partitioned(*connection)) to.flying.clear();
    if (connection->silent) return;
    Half::Message message{.bytes = {}, .due = clock_.steady_now() + latency(), .end = true};
    if (!to.flying.empty()) message.due = std::max(message.due, to.flying.back().due);
    to.flying.push_back(std::move(message));
    if (!to.timer) schedule(connection, 1 - from);
}

bool Network::is_partitioned(const Connection& connection) const {
    return std::ranges::any_of(connection.names, [this](const std::string& name) {
        const auto way = partitioned_.find(name);
        return way != partitioned_.end() && way->second > clock_.steady_now();
    });
}

void Network::schedule(const std::shared_ptr<Connection>& connection, int to) {
    Half& half = connection->halves[to];
    if (half.flying.empty()) return;
    kube::SteadyTime when = std::max(half.flying.front().due, connection->stalled_until[to]);
    for (const std::string& name : connection->names) {
        const auto way = partitioned_.find(name);
        if (way != partitioned_.end()) when = std::max(when, way->second);
    }
    half.timer = clock_.call_at(when, [this, weak = std::weak_ptr(connection), to] {
        if (const auto alive = weak.lock()) deliver(alive, to);
    });
}

void Network::deliver(const std::shared_ptr<Connection>& connection, int to) {
    Half& half = connection->halves[to];
    half.timer.reset();
    if (half.flying.empty() || connection->over) return;
    Half::Message message = std::move(half.flying.front());
    half.flying.pop_front();
    if (half.broken.empty()) {
        half.arrived += message.bytes;
        if (message.reset) half.broken = "connection reset by peer";
        if (message.end) half.ended = true;
    }
    if (half.changed) half.changed->notify_all();
    schedule(connection, to);
}

void Network::break_off(const std::shared_ptr<Connection>& connection, const std::string& why) {
    if (connection->over) return;
    connection->over = true;
    for (Half& half : connection->halves) {
        half.flying.clear();
        half.timer.reset();
        half.arrived.clear();
        half.broken = why;
        if (half.changed) half.changed->notify_all();
    }
}

void Network::partition(const std::string& process, kube::SteadyTime until) {
    partitioned_[process] = until;
    for (const auto& connection : connections_) {
        if (!connection->is_of(process)) continue;
        if (connection->halves[0].closed) {
            // Nobody sends again what gets lost now, but the peer is told, when it can be.
            std::erase_if(connection->halves[1].flying, [](const auto& message) { return !message.end; });
        }
        for (int to : {0, 1}) schedule(connection, to);
        if (random_() % 3 != 0) continue;
        connection->gives_up = clock_.call_at(until, [this, weak = std::weak_ptr(connection)] {
            if (const auto alive = weak.lock()) break_off(alive, "connection reset by peer");
        });
    }
}

void Network::cut_after(const std::string& process, std::size_t bytes) {
    cuts_[process] = bytes;
}

void Network::reset_all(const std::string& process) {
    for (const auto& connection : connections_) {
        if (connection->is_of(process)) break_off(connection, "connection reset by peer");
    }
}

void Network::silence(const std::string& process) {
    for (const auto& connection : connections_) {
        if (!connection->is_of(process)) continue;
        connection->silent = true;
        for (Half& half : connection->halves) {
            half.flying.clear();
            half.timer.reset();
        }
        connection->gives_up = clock_.call_after(kDeadPeer, [this, weak = std::weak_ptr(connection)] {
            if (const auto alive = weak.lock()) break_off(alive, "connection timed out");
        });
    }
}

void Network::stall(const std::string& process, kube::SteadyTime until) {
    for (const auto& connection : connections_) {
        if (!connection->is_of(process) || random_() % 2 != 0) continue;
        connection->stalled_until[0] = until;
        schedule(connection, 0);
    }
}

std::size_t Network::connections(const std::string& process) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(connections_, [&](const auto& connection) { return connection->is_of(process); }));
}

bool Network::peer_left(const kube::ByteStream& stream) {
    const auto* const ours = dynamic_cast<const Stream*>(&stream);
    return ours != nullptr && ours->peer_left();
}

void Network::forget(const Connection& connection) {
    if (!connection.halves[0].closed || !connection.halves[1].closed) return;
    std::erase_if(connections_, [&](const auto& known) { return known.get() == &connection; });
}

}  // namespace simulation
