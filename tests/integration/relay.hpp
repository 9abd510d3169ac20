#pragma once

#include <nlohmann/json_fwd.hpp>

#include <memory>

namespace endoscope::test {

/// Carries TCP connections on loopback to another port, on a thread of its own, until it is shut: then all of them are
/// reset and new ones are refused, as when the API server has gone away. Opens again on the same port.
class Relay {
  public:
    /// Open at first.
    explicit Relay(unsigned short target);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    unsigned short port() const;
    /// Both return when it is done.
    void shut();
    void open();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// A relay to the server of a kubeconfig, which is changed to lead through it.
std::unique_ptr<Relay> redirect(nlohmann::json& kubeconfig);

}  // namespace endoscope::test
