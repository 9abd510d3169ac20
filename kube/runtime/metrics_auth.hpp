#pragma once

#include "kube/base/lru_map.hpp"
#include "kube/base/signal.hpp"
#include "kube/client/client.hpp"
#include "kube/runtime/admission.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>

namespace kube {

/// Answers of one kind of review, each for as long as it may be believed. Not more than 1000: callers choose the keys.
template <class Value>
class ReviewCache {
  public:
    const Value* find(const std::string& key, SteadyTime now) {
        const Entry* const entry = entries_.find(key);
        return entry != nullptr && now < entry->until ? &entry->value : nullptr;
    }
    void insert(const std::string& key, Value value, SteadyTime until) {
        entries_.insert(key, {.value = std::move(value), .until = until});
    }

  private:
    struct Entry {
        Value value;
        SteadyTime until;
    };
    static constexpr std::size_t kMaxEntries = 1000;
    LruMap<std::string, Entry> entries_{kMaxEntries};
};

/// Lets only those callers of an HTTP endpoint through whose bearer token the API server knows (TokenReview) and who
/// may use the verb on the URL's path (SubjectAccessReview, `nonResourceURLs` in RBAC): what kube-rbac-proxy and
/// controller-runtime's pkg/metrics/filters do. A token is believed for one minute, an allowance for five minutes, a
/// refusal for 30 seconds. Needs create on `tokenreviews` and `subjectaccessreviews`.
class RequestAuthorizer {
  public:
    RequestAuthorizer(boost::asio::any_io_executor executor, Client& client, Clock& clock, std::uint64_t seed = 0);

    /// The status to answer: 200 when the request may pass, 401 without a valid token, 403 when it is not allowed, 500
    /// when that could not be found out within ten seconds. Callers that ask the same at once share one review.
    boost::asio::awaitable<int> check(const HttpRequest& request, std::stop_token stop);

  private:
    template <class Value>
    struct Flight {
        explicit Flight(boost::asio::any_io_executor executor) : landed(std::move(executor)) {}
        Signal landed;
        std::optional<Result<Value>> outcome;
    };
    template <class Value>
    using Flights = std::map<std::string, std::shared_ptr<Flight<Value>>>;
    using Identity = std::optional<UserInfo>;

    boost::asio::awaitable<Result<Identity>> authenticate(std::string token, std::stop_token stop);
    boost::asio::awaitable<Result<bool>> authorize(UserInfo user, std::string path, std::string verb,
                                                   std::stop_token stop);
    boost::asio::awaitable<Result<std::string>> post(std::string path, std::string body, std::stop_token stop);

    boost::asio::any_io_executor executor_;
    Client& client_;
    Clock& clock_;
    std::mt19937_64 random_;
    ReviewCache<Identity> identities_;
    ReviewCache<bool> allowances_;
    Flights<Identity> authentications_;
    Flights<bool> authorizations_;
};

/// `handler` behind `authorizer`, which it keeps alive. Refusals say nothing but their name.
HttpHandler require_authorization(std::shared_ptr<RequestAuthorizer> authorizer, HttpHandler handler);

}  // namespace kube
