#pragma once

#include "kube/client/client.hpp"
#include "kube/runtime/reflector_fsm.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <stop_token>
#include <string>

namespace kube {

/// Receives what a reflector sees. Objects are handed over as JSON that lives only during the call: a sink projects
/// what it needs and keeps no tree.
class ReflectorSink {
  public:
    virtual ~ReflectorSink() = default;
    /// A list begins: collect apart, readers keep seeing the old state.
    virtual void begin_replace() = 0;
    virtual void replace_item(const nlohmann::json& object) = 0;
    /// The list is complete: swap at once; what was not in it is deleted.
    virtual void end_replace() = 0;
    virtual void upsert(const nlohmann::json& object) = 0;
    virtual void remove(const nlohmann::json& object) = 0;
};

struct ReflectorOptions {
    std::string name;  ///< For the log: "debugrequests".
    std::string path;  ///< Of the collection.
    Query selectors;   ///< labelSelector, fieldSelector: the same for list and watch.
    std::uint64_t seed = 0;
    std::string resume_from;  ///< A resourceVersion whose state the sink already holds: watch from there, no list.
    int page_size = 500;
};

/// Keeps a sink equal to a collection of the API server: lists, watches, resumes, lists again when it must.
/// Survives 410, ends of stream, 4xx and 5xx; ends only when stopped.
class Reflector {
  public:
    Reflector(Client& client, Clock& clock, ReflectorSink& sink, ReflectorOptions options);

    boost::asio::awaitable<void> run(std::stop_token stop);

    /// The last list was complete and delivered at least once.
    bool synced() const { return synced_; }
    std::uint64_t relists() const { return fsm_.relists(); }
    const std::string& resource_version() const { return fsm_.resource_version(); }

  private:
    boost::asio::awaitable<ReflectorFsm::Action> list(ReflectorFsm::List action, std::stop_token stop);
    boost::asio::awaitable<ReflectorFsm::Action> watch(ReflectorFsm::Watch action, std::stop_token stop);
    Result<void> handle(std::string_view line);

    Client& client_;
    Clock& clock_;
    ReflectorSink& sink_;
    ReflectorOptions options_;
    ReflectorFsm fsm_;
    bool synced_ = false;
};

}  // namespace kube
