#pragma once

#include "kube/client/client.hpp"
#include "kube/runtime/reflector_fsm.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace kube {

/// Receives what a reflector sees. Objects are handed over as JSON that lives only during the call: a sink projects
/// what it needs and keeps no tree. What a sink throws is counted and logged, and the reflector goes on.
class ReflectorSink {
  public:
    virtual ~ReflectorSink() = default;
    /// A list begins: collect apart, readers keep seeing the old state.
    virtual void begin_replace() = 0;
    /// May come twice for one object; the later state counts.
    virtual void replace_item(const nlohmann::json& object) = 0;
    /// The object was deleted while the list was being collected.
    virtual void replace_remove(const nlohmann::json& object) = 0;
    /// The list is complete: swap at once; what was not in it is deleted.
    virtual void end_replace() = 0;
    virtual void upsert(const nlohmann::json& object) = 0;
    virtual void remove(const nlohmann::json& object) = 0;
    /// Tell all objects to the handlers again (see `run_resync`).
    virtual void resync() {}
};

/// The outside view of a reflector: the source of its health metrics.
class ReflectorObserver {
  public:
    virtual ~ReflectorObserver() = default;
    /// The sink holds a complete state, and its handlers were told.
    virtual void on_synced() = 0;
    virtual void on_list_begin() = 0;
    /// The server said something: an event, a bookmark, a list, or that it takes the watch.
    virtual void on_contact() = 0;
    /// A list or watch failed; `reason` is `to_string` of the error's kind.
    virtual void on_error(std::string_view reason) = 0;
    /// The sink or one of its handlers threw.
    virtual void on_sink_error() = 0;
};

struct ReflectorOptions {
    std::string name;  ///< For the log: "debugrequests".
    std::string path;  ///< Of the collection.
    Query selectors;   ///< labelSelector, fieldSelector: the same for list and watch.
    std::uint64_t seed = 0;
    std::string resume_from;  ///< A resourceVersion whose state the sink already holds: watch from there, no list.
    int page_size = 500;
    /// Begin with a consistent read (no resourceVersion) instead of "any" (0), which may be answered from a watch cache
    /// that is behind (kubernetes/kubernetes#59848). For whoever acts on the first state as the latest, such as a new
    /// leader: what the last one wrote must be in it. Costs the API server a quorum read, once.
    bool most_recent = false;
    RequestPriority priority = RequestPriority::low;  ///< Of lists; watches are exempt.
    /// Begin with a WatchList instead of a list unless the server refuses. Null: off, because servers differ in it.
    std::shared_ptr<WatchListSupport> watch_list = {};
    /// Parse objects without `managedFields` (see `without_managed_fields`); only for a sink that wants no member of
    /// that name anywhere in its objects.
    bool drop_managed_fields = false;
    ReflectorObserver* observer = nullptr;  ///< Must outlive the reflector.
};

/// Keeps a sink equal to a collection of the API server: lists, watches, resumes, lists again when it must.
/// Survives 410, ends of stream, 4xx and 5xx; ends only when stopped.
class Reflector {
  public:
    Reflector(Client& client, Clock& clock, ReflectorSink& sink, ReflectorOptions options);

    boost::asio::awaitable<void> run(std::stop_token stop);

    /// The sink held a complete state at least once, and its handlers were told.
    bool synced() const { return synced_; }
    /// The sink shows the collection as it is now, but for what is on its way: a watch is open, and has been for a
    /// second if the one before it broke, since what was missed is then still to come.
    bool is_current() const;
    const std::string& name() const { return options_.name; }
    std::uint64_t relists() const { return fsm_.relists(); }
    const std::string& resource_version() const { return fsm_.resource_version(); }

  private:
    boost::asio::awaitable<ReflectorFsm::Action> list(ReflectorFsm::List action, std::stop_token stop);
    boost::asio::awaitable<ReflectorFsm::Action> watch(ReflectorFsm::Watch action, std::stop_token stop);
    /// Hands events to the sink until the stream ends; the error it ended with.
    boost::asio::awaitable<std::optional<Error>> follow(WatchStream& stream, std::stop_token stop);
    Result<nlohmann::json> parse(std::string_view text) const;
    Result<void> handle(std::string_view line);
    void store(std::string_view type, const nlohmann::json& object);
    void set_synced();
    void note_error(std::string_view what, const Error& error);
    void note_contact();
    /// Runs one call of the sink.
    template <class Call>
    void guarded(Call&& call);

    Client& client_;
    Clock& clock_;
    ReflectorSink& sink_;
    ReflectorOptions options_;
    ReflectorFsm fsm_;
    bool synced_ = false;
    std::optional<SteadyTime> watching_since_;
    bool missed_something_ = false;  ///< A watch broke, and nothing was listed since.
};

/// Waits until all reflectors are synced, or fails after `limit` and names those that are not.
boost::asio::awaitable<Result<void>> wait_for_sync(Clock& clock, std::vector<const Reflector*> reflectors,
                                                   Duration limit, std::stop_token stop);

/// Has a sink tell its whole state every `period`, up to a tenth more or less, until stopped: a safety net against
/// missed notifications, not a new list.
boost::asio::awaitable<void> run_resync(Clock& clock, ReflectorSink& sink, Duration period, std::uint64_t seed,
                                        std::stop_token stop);

}  // namespace kube
