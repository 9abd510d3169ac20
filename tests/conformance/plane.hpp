#pragma once

#include "tests/integration/subprocess.hpp"

#include <memory>
#include <string>

namespace endoscope::conformance {

/// A control plane of our own without a kubelet: the model, or a real etcd and kube-apiserver. Two users have
/// credentials: admin (system:masters) and alice (group developers, no rights).
class Plane {
  public:
    /// `binary` is model-apiserver or tests/controlplane. Throws when it does not start.
    Plane(bool real, const std::string& binary);
    ~Plane();
    Plane(const Plane&) = delete;
    Plane& operator=(const Plane&) = delete;

    std::string kubeconfig(const std::string& user) const { return dir_ + "/" + user + ".kubeconfig"; }
    /// Where etcd answers ("http://127.0.0.1:2379"); "" for the model.
    std::string etcd_url() const;
    /// Makes the model forget its history up to now; takes effect a little later.
    void compact_model() const { process_->signal(SIGUSR1); }
    /// Ends it; what went wrong then, or "".
    std::string stop();

  private:
    std::string dir_;
    bool real_;
    std::unique_ptr<test::Subprocess> process_;
};

}  // namespace endoscope::conformance
