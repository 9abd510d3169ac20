#pragma once

#include "kube/client/client.hpp"
#include "kube/runtime/ca_rotation.hpp"
#include "kube/runtime/webhook_configurations.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

namespace kube {

struct WebhookAuthorityOptions {
    std::string ns;           ///< Where the Secret lives.
    std::string secret_name;  ///< Also the common name of the authorities.
    std::string app;          ///< Label app.kubernetes.io/name of the Secret.
    LeafOptions leaf;         ///< The names that the API server calls.
    RotationTimes times;
    /// Whether this replica may write: asked before every write but the first creation of the Secret, of which only one
    /// can succeed.
    std::function<bool()> leads = [] { return true; };
    WebhookTrustObserver* observer = nullptr;
};

/// The certificate authority of a webhook server, kept in a Secret that all replicas share, and the certificate that
/// this replica serves, which never leaves it. Both are renewed before they end, in an order that leaves no moment in
/// which an API server meets a certificate that it does not trust (see `due_step`). The leader writes the Secret and
/// the caBundle of the configurations; every replica reads both again each `RotationTimes::poll_interval`.
///
/// A Secret that is deleted, or cannot be understood, is written anew by the leader with a new authority as the next
/// one: deleting it is how to rotate on demand. Source of the pattern: cert-manager pkg/server/tls/authority.
class WebhookAuthority {
  public:
    WebhookAuthority(Client& client, Clock& clock, WebhookConfigurations& configurations,
                     WebhookAuthorityOptions options);
    WebhookAuthority(const WebhookAuthority&) = delete;
    WebhookAuthority& operator=(const WebhookAuthority&) = delete;

    /// Reads the Secret, or creates it, and makes the first certificate.
    boost::asio::awaitable<Result<void>> start(std::stop_token stop);
    /// One look at everything, and what is due. Problems are logged when they are new; what serves goes on serving.
    boost::asio::awaitable<void> refresh(std::stop_token stop);

    /// The certificate that is served, and its key.
    const KeyPair& serving() const { return leaf_; }
    /// What clients must trust.
    std::string bundle() const { return bundle_of(set_); }

  private:
    boost::asio::awaitable<Result<void>> read_secret(std::stop_token stop);
    boost::asio::awaitable<Result<void>> create_secret(AuthoritySet set, std::stop_token stop);
    boost::asio::awaitable<Result<void>> write_secret(AuthoritySet set, std::stop_token stop);
    boost::asio::awaitable<Result<void>> recover(std::stop_token stop);
    boost::asio::awaitable<Result<void>> take_step(std::stop_token stop);
    boost::asio::awaitable<Result<void>> look(std::stop_token stop);
    Result<Authority> fresh_authority() const;
    std::optional<Duration> next_trusted_for();
    Result<void> renew_leaf();
    std::string path() const;

    Client& client_;
    Clock& clock_;
    WebhookConfigurations& configurations_;
    WebhookAuthorityOptions options_;
    AuthoritySet set_;
    std::string resource_version_;             ///< Of the Secret; empty: it is not there.
    std::vector<std::string> stored_fields_;   ///< Names in its data.
    bool usable_ = false;                      ///< The Secret holds `set_`.
    std::string trusted_pem_;                  ///< The next authority that is in every bundle,
    std::optional<SteadyTime> trusted_since_;  ///< since when.
    KeyPair leaf_;
    std::string leaf_issuer_;  ///< Certificate of the authority that signed it.
    WallTime renew_at_{};
    std::string last_error_;
    std::string last_refusal_;  ///< Why the Secret could not be used.
};

}  // namespace kube
