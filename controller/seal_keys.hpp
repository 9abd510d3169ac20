#pragma once

#include "controller/cluster.hpp"
#include "controller/metrics.hpp"
#include "controller/seal_rotation.hpp"
#include "kube/base/signal.hpp"
#include "kube/client/client.hpp"
#include "kube/runtime/events.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace endoscope::controller {

/// The keys of the seal as this replica knows them. Every replica reads their Secret again and again; the one that
/// leads also makes it, where there is none, and replaces keys (see `next_step`). A Secret that cannot be understood is
/// never overwritten: that would break every seal made with it. Each write carries the resourceVersion of what it rests
/// on, so of two that write only one does.
class SealKeys {
  public:
    /// All references outlive this. `gate` holds back a replica that does not lead.
    struct Context {
        kube::Client& client;
        kube::Clock& clock;
        kube::EventRecorder& events;
        Metrics& metrics;
        WriteGate gate = {};
        std::string ns = {};  ///< Of the Secret.
        SealKeySettings settings = {};
    };
    SealKeys(boost::asio::any_io_executor executor, Context context);
    SealKeys(const SealKeys&) = delete;
    SealKeys& operator=(const SealKeys&) = delete;

    /// Keeps reading, and replacing where this replica leads, until `stop`.
    boost::asio::awaitable<void> run(std::stop_token stop);

    /// The keys, or nullptr while nobody may seal or verify: the Secret is gone or cannot be understood, or it could
    /// not be read for so long that the others may use keys that are not known here.
    std::shared_ptr<const SealKeyRing> ring() const;
    /// Why there is no ring, for people; empty while there is one.
    std::string problem() const;
    /// Whether the ring was read after `moment`. What was sealed before it, with a key that is not in it, cannot be
    /// verified any more.
    bool has_read_since(kube::SteadyTime moment) const;
    /// Asks for a reading sooner than is due. However often it is called, the Secret is read every three seconds at
    /// most.
    void read_soon();
    /// To be called when this replica begins to lead: there may be no Secret before somebody does.
    void lead();

  private:
    struct Known {
        std::shared_ptr<const SealKeyRing> ring;
        kube::SteadyTime read_at;  ///< When the reading began.
        std::string version;
        kube::SteadyTime unchanged_since;  ///< When that version was first seen.
    };
    boost::asio::awaitable<void> look(std::stop_token stop);
    boost::asio::awaitable<void> create();
    boost::asio::awaitable<void> advance(nlohmann::json secret, SealSecret content);
    boost::asio::awaitable<kube::Result<nlohmann::json>> send(kube::ApiRequest request, std::stop_token stop);
    kube::ApiRequest write_request(const nlohmann::json& secret) const;
    /// Takes over what the Secret says; its content, unless it cannot be understood.
    std::optional<SealSecret> accept(const nlohmann::json& secret, kube::SteadyTime read_at);
    void lose(std::string why);
    void note_failure(const kube::Error& error);
    void show();
    void tell(kube::EventType type, const std::string& reason, const std::string& action, const std::string& note);
    bool may_write() const { return !context_.gate.may_send || context_.gate.may_send(); }

    Context context_;
    std::string name_;  ///< "Secret namespace/name", for people.
    kube::Signal changed_;
    std::optional<Known> known_;
    std::string problem_;  ///< Of the last reading; empty when it went well.
    kube::SteadyTime read_began_{};
    kube::SteadyTime next_read_{};
};

}  // namespace endoscope::controller
