#pragma once

#include "kube/base/task_group.hpp"
#include "kube/net/byte_stream.hpp"
#include "kube/net/tls.hpp"
#include "tests/model/webhooks.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace model {

/// Opens the way to a webhook: host, port, trust. The simulation puts its own network here.
using TransportFactory = std::function<kube::Result<std::shared_ptr<kube::Transport>>(
    const std::string& host, unsigned short port, const kube::TlsClientConfig& tls)>;

/// Calls admission webhooks, one connection per call. `join` before destroying: a call that ran into its time-out may
/// still be connecting.
class Admission {
  public:
    Admission(boost::asio::any_io_executor executor, kube::Clock& clock, const Storage& storage,
              TransportFactory transports, std::function<std::string()> new_uid);

    /// The object after all mutating webhooks. `attributes.object` is what they see first. Warnings are appended.
    boost::asio::awaitable<Outcome<Json>> mutate(AdmissionAttributes attributes, std::vector<std::string>& warnings);
    boost::asio::awaitable<Outcome<void>> validate(AdmissionAttributes attributes, std::vector<std::string>& warnings);
    boost::asio::awaitable<void> join() { return calls_.join(); }

  private:
    struct Call;
    boost::asio::awaitable<Outcome<WebhookAnswer>> ask(Webhook webhook, bool mutating,
                                                       const AdmissionAttributes& attributes);
    boost::asio::awaitable<void> run(std::shared_ptr<Call> call);

    boost::asio::any_io_executor executor_;
    kube::Clock& clock_;
    const Storage& storage_;
    TransportFactory transports_;
    std::function<std::string()> new_uid_;
    kube::TaskGroup calls_;
};

}  // namespace model
