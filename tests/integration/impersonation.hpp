#pragma once

#include "kube/base/clock.hpp"
#include "kube/net/byte_stream.hpp"
#include "kube/net/http.hpp"

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>

namespace endoscope::test {

/// A user and one group, as whom an administrator acts.
struct Acting {
    std::string user;
    std::string group;
};

/// An API server's answer as it came.
struct Answer {
    int status = 0;  ///< 0: there was none.
    nlohmann::json body;

    bool is_created() const { return status == 201; }
    /// Of a Status.
    std::string message() const;
};

/// Creates objects as other users, by the Impersonate-* headers, which kube::Client does not send: for users that have
/// no credentials of their own, like service accounts.
class Impersonator {
  public:
    /// A user who may impersonate everybody.
    explicit Impersonator(const std::string& kubeconfig);
    ~Impersonator();
    Impersonator(const Impersonator&) = delete;
    Impersonator& operator=(const Impersonator&) = delete;

    /// Creates a DebugRequest, with unknown fields refused as kubectl does.
    Answer create(const nlohmann::json& request, const Acting& acting);

  private:
    boost::asio::io_context io_;
    std::unique_ptr<kube::Clock> clock_;
    std::shared_ptr<kube::Transport> transport_;
    std::optional<kube::HttpClientConnection> connection_;
};

}  // namespace endoscope::test
