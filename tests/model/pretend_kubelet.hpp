#pragma once

#include "tests/model/json_tools.hpp"

#include <map>
#include <optional>
#include <string>

namespace model {

/// How the pretend kubelet behaves.
struct KubeletSettings {
    std::string node = "model-node";
    kube::Duration start_delay = std::chrono::milliseconds(100);     ///< From seen to running (or to its failure).
    kube::Duration back_off_delay = std::chrono::milliseconds(200);  ///< From ErrImagePull to ImagePullBackOff.
    /// How long an ephemeral container runs whose command says nothing about it; then it exits 0.
    kube::Duration default_run_time = std::chrono::seconds(2);
    kube::Duration stop_delay = std::chrono::milliseconds(100);  ///< From deletion to the Pod being gone.
    bool schedule = true;  ///< Bind Pods without a node to `node`, since there is no scheduler.
};

/// What to do about one Pod now, and when to look again.
struct KubeletStep {
    std::optional<Json> status;  ///< The whole wanted `status`.
    bool bind = false;
    bool remove = false;  ///< The Pod is terminating and its containers have stopped.
    std::optional<kube::Duration> check_again;
};

/// Decides what a kubelet would report, without containers. It needs no image and no process: the image's name and the
/// command choose the fate (README.md has the table). No I/O; remembers when it first saw each container, because a
/// Pod's own times have whole seconds.
class PretendKubelet {
  public:
    explicit PretendKubelet(KubeletSettings settings) : settings_(std::move(settings)) {}

    KubeletStep step(const Json& pod, kube::WallTime now);
    void forget(const std::string& uid);
    /// Somebody kills the main process of a container that runs; the next step reports exit code 137.
    void kill(const std::string& uid, const std::string& container);
    const KubeletSettings& settings() const { return settings_; }

  private:
    struct Seen {
        kube::WallTime first;
        std::optional<kube::WallTime> started;
        bool pulled_once = false;
        bool killed = false;
    };
    Json container_status(const Json& pod, const Json& container, bool ephemeral, kube::WallTime now,
                          std::optional<kube::Duration>& again);
    Json running_or_ended(const Json& pod, const Json& container, bool ephemeral, Seen& seen, kube::WallTime now,
                          std::optional<kube::Duration>& again) const;

    KubeletSettings settings_;
    std::map<std::string, std::map<std::string, Seen>> seen_;  ///< Pod UID, container name.
};

}  // namespace model
