#pragma once

#include "kube/base/signal.hpp"
#include "kube/base/task_group.hpp"
#include "kube/client/client.hpp"
#include "tests/model/pretend_kubelet.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <map>
#include <stop_token>
#include <string>

namespace model {

/// Runs a `PretendKubelet` as a client of an API server, the model's or a real one: watches all Pods, binds those
/// without a node, writes their statuses and removes the terminating ones.
class KubeletDriver {
  public:
    KubeletDriver(boost::asio::any_io_executor executor, kube::Clock& clock, kube::Client& client,
                  KubeletSettings settings);

    /// Until `stop`.
    boost::asio::awaitable<void> run(std::stop_token stop);

  private:
    struct Tracked {
        Json pod;
        kube::SteadyTime due;
    };
    boost::asio::awaitable<void> register_node(std::stop_token stop);
    boost::asio::awaitable<void> follow(std::stop_token stop);
    boost::asio::awaitable<std::string> list(std::stop_token stop);
    boost::asio::awaitable<std::string> watch(std::string version, std::stop_token stop);
    boost::asio::awaitable<void> act(std::stop_token stop);
    boost::asio::awaitable<void> look_at(std::string key, std::stop_token stop);
    void track(const Json& pod);
    void drop(const Json& pod);

    kube::Clock& clock_;
    kube::Client& client_;
    PretendKubelet kubelet_;
    kube::Signal wake_;
    kube::TaskGroup tasks_;
    std::map<std::string, Tracked> pods_;  ///< By namespace/name.
};

}  // namespace model
