#pragma once

#include "kube/client/client.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace kube {

/// Told about what makes API servers trust this webhook server, and use it.
class WebhookTrustObserver {
  public:
    virtual ~WebhookTrustObserver() = default;
    /// After every look: in how many ways the installed webhooks guard less than they should (see `weaknesses`).
    virtual void on_checked(std::size_t weaknesses) = 0;
    /// A caBundle has been written: for a rotation, or because somebody had changed it.
    virtual void on_bundle_written() = 0;
    /// When the authority that signs and the certificate that is served end, after each new certificate.
    virtual void on_expiry(WallTime authority, WallTime leaf) = 0;
};

/// Each way in which a webhook of `expected` lets more pass in `installed` (both a Mutating- or
/// ValidatingWebhookConfiguration): a failurePolicy that is not Fail, a selector or match condition that scopes
/// requests out, rules that differ. One sentence each. Where a webhook is called (url, service) is the installer's
/// business.
std::vector<std::string> weaknesses(const nlohmann::json& installed, const nlohmann::json& expected);

/// The strategic merge patch that gives every webhook of `expected` the bundle and touches nothing else; it carries the
/// resourceVersion of `installed`. Nothing when every bundle is right or the webhooks are not there.
std::optional<nlohmann::json> bundle_patch(const nlohmann::json& installed, const nlohmann::json& expected,
                                           const std::string& bundle_pem);

/// Why the API server would not trust a server that presents `chain_pem`, judged by the caBundle of every webhook of
/// `expected`; empty when it would.
std::string trust_problem(const nlohmann::json& installed, const nlohmann::json& expected, const std::string& chain_pem,
                          WallTime now);

/// Looks at webhook configurations that somebody else installs, and keeps their caBundle right. Only configurations and
/// webhooks by the names of `expected` are looked at.
class WebhookConfigurations {
  public:
    /// `expected`: the whole configurations as they should be but for clientConfig. `remedy`: what to do where one is
    /// missing. `observer` may be null. All must outlive this.
    WebhookConfigurations(Client& client, std::vector<nlohmann::json> expected, std::string remedy,
                          WebhookTrustObserver* observer = nullptr);

    /// Reads them. An API server that cannot be reached leaves what was known before.
    boost::asio::awaitable<void> read(std::stop_token stop);
    /// Writes `bundle_pem` where what was read last holds another one, while `may_send`. A conflict or another failure
    /// is logged, and seen again after the next `read`.
    boost::asio::awaitable<void> put_right(std::string bundle_pem, std::function<bool()> may_send,
                                           std::stop_token stop);

    /// Whether the bundle of every expected webhook holds this certificate, as PEM.
    bool all_trust(const std::string& certificate_pem) const;
    /// Empty, or why the API server cannot call a server that presents `chain_pem`.
    std::string problem(const std::string& chain_pem, WallTime now) const;

  private:
    struct Entry {
        nlohmann::json expected;
        nlohmann::json installed = nullptr;  ///< null: missing, or not read yet.
        std::string error = "has not been read yet";
        std::string noted = "";  ///< Weaknesses that were told of last.
    };
    void check(Entry& entry);

    Client& client_;
    std::vector<Entry> entries_;
    std::string remedy_;
    WebhookTrustObserver* observer_;
};

}  // namespace kube
