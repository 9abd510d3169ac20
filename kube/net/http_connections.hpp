#pragma once

// Private to the HTTP code of this folder: which connections a server has, and which of them must go.

#include "kube/net/http.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

namespace kube {

/// The books of a server: every connection, what it is doing and how much of a body it holds. When there is no room for
/// a newcomer, whoever is least likely to be a genuine client is closed: a genuine one sends what it has at once, so
/// that those who have been idle or unfinished for longest go first. All on the I/O thread.
class ConnectionTable {
  public:
    explicit ConnectionTable(const HttpServerOptions& options) : options_(options) {}

    /// A connection's entry; it leaves the table when it is destroyed. The table must outlive it.
    class Slot {
      public:
        explicit Slot(ConnectionTable& table, ByteStream& stream);
        ~Slot();
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;

        /// `bytes` of a request's body are in memory now. Closes others where that is too much for all together; false
        /// when there is no room even so.
        bool hold(std::size_t bytes);
        /// The request is complete and its answer is being made: from here on nobody closes this connection.
        void begin_exchange();
        /// The answer is out, and the body is gone.
        void end_exchange();

      private:
        friend class ConnectionTable;
        ConnectionTable& table_;
        ByteStream& stream_;
        std::list<Slot*>::iterator place_;
        std::size_t held_ = 0;
        std::uint64_t holding_since_ = 0;  ///< A running number, not a time.
        bool busy_ = false;
        bool proven_ = false;  ///< Has sent a complete request before.
        bool closed_ = false;  ///< By the table: it counts no more and ends soon.
    };

    /// Makes room for one more connection; false when every connection is busy.
    bool make_room();
    std::size_t size() const { return size_; }
    std::size_t held() const { return held_; }
    void close_all();

  private:
    void close(Slot& slot, std::string_view why);
    Slot* oldest_idle(bool proven);
    Slot* oldest_holder(const Slot& other_than);

    const HttpServerOptions& options_;
    std::list<Slot*> slots_;  ///< The longest without a complete request first.
    std::size_t size_ = 0;
    std::size_t held_ = 0;
    std::uint64_t counter_ = 0;
};

/// `serve_http` with an entry in a server's books; null: there is no server.
boost::asio::awaitable<void> serve_http(Clock& clock, ByteStream& stream, const HttpHandler& handler,
                                        const HttpServerOptions& options, std::stop_token stop,
                                        ConnectionTable::Slot* slot);

}  // namespace kube
