#pragma once

#include "kube/runtime/metrics.hpp"

#include <memory>
#include <string>

namespace endoscope::controller {

/// Endoscope's own metrics (docs/operations.md lists them). No label ever carries a user or an image; Pod and request
/// names only on `endoscope_debug_session_info`, whose series end with the session.
class Metrics {
  public:
    explicit Metrics(const kube::Registry& registry);
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    /// A request reached its terminal phase: call exactly once for each.
    void request_finished(const std::string& ns, const std::string& phase, const std::string& reason);
    /// A request moved from one phase to another; "" = it did not exist before, or does not exist any more.
    void request_moved(const std::string& ns, const std::string& from, const std::string& to);
    /// A finished request was removed for its age.
    void request_removed(const std::string& ns);
    void verdict(const std::string& policy, bool allowed, const std::string& reason);
    void injected(kube::Duration since_seen);
    void started(kube::Duration since_injected);
    void session_ended(kube::Duration length);
    void admission(const std::string& webhook, const std::string& operation, bool allowed, kube::Duration elapsed);
    void policies(std::size_t accepted, std::size_t invalid);
    /// How many seal keys this replica accepts; 0: it can neither seal nor verify.
    void seal_keys(std::size_t accepted);
    /// Since when the current key seals.
    void seal_key_since(kube::WallTime time);
    /// Another key seals from now on.
    void seal_key_rotated();

    struct Session {
        std::string ns;
        std::string request;
        std::string pod;
        std::string container;
        std::string policy;
        std::string profile;
    };
    /// A session's container runs; `key` is the request's "namespace/name". Repeating it changes nothing.
    void session_active(const std::string& key, const Session& session);
    void session_over(const std::string& key);
    /// The deadline has passed and the container still runs. Repeating it changes nothing.
    void session_overdue(const std::string& key, const std::string& ns);
    void session_not_overdue(const std::string& key);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace endoscope::controller
