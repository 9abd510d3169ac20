#pragma once

#include "kube/net/byte_stream.hpp"
#include "tests/simulation/process.hpp"
#include "tests/support/manual_clock.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

namespace simulation {

/// TCP between simulated processes: ordered within a connection, each connection with latencies of its own, so that
/// messages overtake each other across connections. Faults are switched by the world. Times come from the world's
/// clock, randomness from the seed.
class Network {
  public:
    /// Hands a new connection to whoever listens; false when nobody does. Called at the moment of arrival.
    using Accept = std::function<bool(std::unique_ptr<kube::ByteStream> stream, const std::string& from)>;
    struct Port {
        ProcessContext* context = nullptr;
        Accept accept;
    };
    /// Who listens on a name now; nothing: connections are refused.
    using FindPort = std::function<std::optional<Port>(const std::string& name)>;

    Network(kube::test::ManualClock& clock, std::uint64_t seed, FindPort find_port);
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    /// Connections of `process` to `port`. Errors are those of TCP: refused, timed out.
    std::shared_ptr<kube::Transport> transport(ProcessContext& context, const std::string& process,
                                               const std::string& port);

    /// Nothing passes to or from `process` until `until`; then what waited arrives late, or the connection turns out
    /// broken.
    void partition(const std::string& process, kube::SteadyTime until);
    /// Breaks the next connection of `process` that has carried `bytes` more bytes, in the middle of a message.
    void cut_after(const std::string& process, std::size_t bytes);
    /// All connections to or from `process` break.
    void reset_all(const std::string& process);
    /// The present connections of `process` go silent for good: neither end hears anything until TCP gives up.
    void silence(const std::string& process);
    /// Until then, what `port` sends to some connections of `process` waits: watches that stall and lag.
    void stall(const std::string& process, kube::SteadyTime until);
    /// Bounds of the latency of each message.
    void set_latency(kube::Duration least, kube::Duration most);

    std::size_t connections(const std::string& process) const;
    /// Whether the other end of a stream of this network has closed it or broken off.
    static bool peer_left(const kube::ByteStream& stream);

  private:
    friend class Stream;
    friend class SimTransport;
    struct Connection;
    struct Half;
    kube::Duration latency();
    void send(const std::shared_ptr<Connection>& connection, int from, std::string bytes);
    bool is_partitioned(const Connection& connection) const;
    void finish(const std::shared_ptr<Connection>& connection, int from);
    void deliver(const std::shared_ptr<Connection>& connection, int to);
    void schedule(const std::shared_ptr<Connection>& connection, int to);
    void break_off(const std::shared_ptr<Connection>& connection, const std::string& why);
    void forget(const Connection& connection);

    kube::test::ManualClock& clock_;
    std::mt19937_64 random_;
    FindPort find_port_;
    std::list<std::shared_ptr<Connection>> connections_;
    std::map<std::string, kube::SteadyTime> partitioned_;  ///< Until when, by process.
    std::map<std::string, std::size_t> cuts_;              ///< Bytes left, by process.
    kube::Duration least_latency_ = std::chrono::microseconds(200);
    kube::Duration most_latency_ = std::chrono::milliseconds(3);
};

}  // namespace simulation
