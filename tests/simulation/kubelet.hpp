#pragma once

#include "tests/model/pretend_kubelet.hpp"
#include "tests/model/storage.hpp"
#include "tests/support/manual_clock.hpp"

#include <map>
#include <memory>
#include <random>
#include <string>

namespace simulation {

/// The pretend kubelet, acting on the storage itself: it is not what is being tested, so it costs no requests.
/// It sees every change of a Pod after a while that differs from time to time.
class Kubelet {
  public:
    Kubelet(kube::test::ManualClock& clock, model::Storage& storage, std::uint64_t seed);
    Kubelet(const Kubelet&) = delete;
    Kubelet& operator=(const Kubelet&) = delete;

    /// Somebody in the container kills its main process; false when it does not run.
    bool kill(const std::string& ns, const std::string& pod, const std::string& container);

  private:
    void on_change(const model::Change& change);
    void look_later(const std::string& ns, const std::string& name, kube::Duration delay);
    void look_at(const std::string& ns, const std::string& name);

    kube::test::ManualClock& clock_;
    model::Storage& storage_;
    model::PretendKubelet kubelet_;
    std::mt19937_64 random_;
    std::map<std::string, std::unique_ptr<kube::Timer>> timers_;  ///< By "namespace/name".
};

}  // namespace simulation
