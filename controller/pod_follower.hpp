#pragma once

#include "controller/pod_view.hpp"
#include "kube/base/task_group.hpp"
#include "kube/client/client.hpp"
#include "kube/runtime/reflector.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>

namespace endoscope::controller {

/// Watches only the Pods that are being debugged, each by a field selector on its name, so that memory and traffic do
/// not depend on how many Pods the cluster has. Requests for the same Pod share one watch. Beyond `most_watches`
/// further Pods share one watch of their namespace, which drops what nobody asked for.
class PodFollower {
  public:
    /// Called with the key of who follows whenever the Pod changed.
    using Notify = std::function<void(const std::string& request_key)>;

    /// An API server gives each watch a connection; so many are no burden to it.
    static constexpr std::size_t kMostWatches = 32;

    /// `observer` is told about all watches together and must outlive the follower.
    PodFollower(boost::asio::any_io_executor executor, kube::Client& client, kube::Clock& clock, Notify notify,
                kube::ReflectorObserver* observer = nullptr, std::size_t most_watches = kMostWatches);
    ~PodFollower();
    PodFollower(const PodFollower&) = delete;
    PodFollower& operator=(const PodFollower&) = delete;

    /// Follows the Pod on behalf of a request, from the state `seen` (its resourceVersion) on. Idempotent.
    void follow(const std::string& request_key, PodView seen);
    /// The Pod of that request as it was just read; null when it is gone. Ignored when the watch knows better.
    void update(const std::string& request_key, std::shared_ptr<const PodView> pod);
    /// The request does not need it any more; the watch ends with its last request.
    void unfollow(const std::string& request_key);
    /// The Pod of that request as last seen; null when it is gone or not followed.
    std::shared_ptr<const PodView> pod(const std::string& request_key) const;

    /// Ends all watches and waits until they have.
    boost::asio::awaitable<void> stop();
    std::size_t watches() const { return watches_.size(); }

  private:
    class Watch;
    struct Target;
    struct Place {
        std::string watch;  ///< Key of `watches_`.
        std::string pod;    ///< Its name.
    };
    Target* find(const std::string& request_key) const;
    std::string watch_for(const PodView& pod) const;
    boost::asio::awaitable<void> run(std::shared_ptr<Watch> watch);
    boost::asio::awaitable<void> look(std::shared_ptr<Watch> watch, std::string pod);

    boost::asio::any_io_executor executor_;
    kube::Client& client_;
    kube::Clock& clock_;
    Notify notify_;
    kube::ReflectorObserver* observer_;
    std::size_t most_watches_;
    kube::TaskGroup tasks_;
    std::map<std::string, std::shared_ptr<Watch>> watches_;  ///< By "namespace/pod", or "namespace/" where shared.
    std::map<std::string, Place> places_;                    ///< By request key.
};

}  // namespace endoscope::controller
