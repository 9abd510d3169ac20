#include "kube/runtime/metrics_auth.hpp"

#include "kube/base/log.hpp"
#include "kube/runtime/reviews.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr Duration kTokenLife = std::chrono::minutes(1);
constexpr Duration kAllowedLife = std::chrono::minutes(5);
constexpr Duration kDeniedLife = std::chrono::seconds(30);
constexpr Duration kTimeout = std::chrono::seconds(10);
constexpr int kAttempts = 5;
constexpr Duration kFirstDelay = std::chrono::milliseconds(500);

/// The key of a cache: a memory dump must not give away tokens that the process does not need any more.
std::string digest_of(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return {};
    return {digest.begin(), digest.begin() + size};
}

HttpResponse refusal(int status) {
    HttpResponse response;
    response.status = status;
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.body = "Internal Server Error\n";
    if (status == 401) {
        response.headers.set("WWW-Authenticate", "Bearer");
        response.body = "Unauthorized\n";
    } else if (status == 403) {
        response.body = "Forbidden\n";
    }
    return response;
}

asio::awaitable<void> serve(std::shared_ptr<RequestAuthorizer> authorizer, std::shared_ptr<const HttpHandler> handler,
                            const HttpExchange& exchange, HttpResponseWriter& writer) {
    const int status = co_await authorizer->check(exchange.request, exchange.stop);
    if (status == 200) {
        co_await (*handler)(exchange, writer);
    } else {
        co_await writer.respond(refusal(status));
    }
}

}  // namespace

RequestAuthorizer::RequestAuthorizer(asio::any_io_executor executor, Client& client, Clock& clock, std::uint64_t seed)
    : executor_(std::move(executor)), client_(client), clock_(clock), random_(seed) {}

asio::awaitable<int> RequestAuthorizer::check(const HttpRequest& request, std::stop_token stop) {
    const std::string token(bearer_token(request.headers));
    if (token.empty()) co_return 401;
    const auto identity = co_await authenticate(token, stop);
    if (!identity) {
        log::warn("metrics", "cannot authenticate a caller", {{"error", identity.error().message}});
        co_return 500;
    }
    if (!*identity) co_return 401;
    std::string verb = request.method;
    std::ranges::transform(verb, verb.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::string path = request.target.substr(0, request.target.find('?'));
    const auto allowed = co_await authorize(**identity, path, verb, stop);
    if (!allowed) {
        log::warn("metrics", "cannot authorize a caller",
                  {{"user", (*identity)->username}, {"error", allowed.error().message}});
        co_return 500;
    }
    if (!*allowed) {
        log::debug("metrics", "caller refused", {{"user", (*identity)->username}, {"path", path}, {"verb", verb}});
    }
    co_return *allowed ? 200 : 403;
}

asio::awaitable<Result<RequestAuthorizer::Identity>> RequestAuthorizer::authenticate(std::string token,
                                                                                     std::stop_token stop) {
    const std::string key = digest_of(token);
    if (const Identity* const known = identities_.find(key, clock_.steady_now())) co_return *known;
    if (const auto running = authentications_.find(key); running != authentications_.end()) {
        const auto flight = running->second;
        while (!flight->outcome) co_await flight->landed.wait();
        co_return *flight->outcome;
    }
    const auto flight = std::make_shared<Flight<Identity>>(executor_);
    authentications_[key] = flight;
    const auto body = co_await post("/apis/authentication.k8s.io/v1/tokenreviews", token_review(token), stop);
    flight->outcome = body ? read_token_review(*body) : Result<Identity>(std::unexpected(body.error()));
    if (*flight->outcome) identities_.insert(key, **flight->outcome, clock_.steady_now() + kTokenLife);
    authentications_.erase(key);
    flight->landed.notify_all();
    co_return *flight->outcome;
}

asio::awaitable<Result<bool>> RequestAuthorizer::authorize(UserInfo user, std::string path, std::string verb,
                                                           std::stop_token stop) {
    const std::string review = access_review(user, path, verb);
    const std::string key = digest_of(review);
    if (const bool* const known = allowances_.find(key, clock_.steady_now())) co_return *known;
    if (const auto running = authorizations_.find(key); running != authorizations_.end()) {
        const auto flight = running->second;
        while (!flight->outcome) co_await flight->landed.wait();
        co_return *flight->outcome;
    }
    const auto flight = std::make_shared<Flight<bool>>(executor_);
    authorizations_[key] = flight;
    const auto body = co_await post("/apis/authorization.k8s.io/v1/subjectaccessreviews", review, stop);
    const auto answer = body ? read_access_review(*body) : Result<AccessReview>(std::unexpected(body.error()));
    // An evaluation error without an allowance is a refusal, as in the API server itself.
    flight->outcome =
        answer ? Result<bool>(answer->allowed && !answer->denied) : Result<bool>(std::unexpected(answer.error()));
    if (const auto& outcome = *flight->outcome) {
        allowances_.insert(key, *outcome, clock_.steady_now() + (*outcome ? kAllowedLife : kDeniedLife));
    }
    authorizations_.erase(key);
    flight->landed.notify_all();
    co_return *flight->outcome;
}

asio::awaitable<Result<std::string>> RequestAuthorizer::post(std::string path, std::string body, std::stop_token stop) {
    std::stop_source give_up;
    bool timed_out = false;
    const auto limit = clock_.call_after(kTimeout, [&] {
        timed_out = true;
        give_up.request_stop();
    });
    const std::stop_callback on_stop(stop, [&give_up] { give_up.request_stop(); });
    Duration delay = kFirstDelay;
    for (int attempt = 1;; ++attempt) {
        ApiRequest request;
        request.method = "POST";
        request.path = path;
        request.body = body;
        request.idempotent = true;  // it stores nothing
        auto answer = co_await client_.call(std::move(request), give_up.get_token());
        if (timed_out) co_return fail(ErrorKind::timeout, "POST " + path + ": no answer within 10 s");
        const bool again = !answer && attempt < kAttempts && is_retryable(answer.error());
        if (!again) co_return answer;
        const double jitter = std::uniform_real_distribution<double>(1.0, 1.2)(random_);
        const auto pause = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(delay) * jitter);
        co_await sleep_for(clock_, pause, give_up.get_token());
        delay = delay * 3 / 2;
        if (give_up.stop_requested()) {
            if (!timed_out) co_return answer;
            co_return fail(ErrorKind::timeout, "POST " + path + ": no answer within 10 s: " + answer.error().message);
        }
    }
}

HttpHandler require_authorization(std::shared_ptr<RequestAuthorizer> authorizer, HttpHandler handler) {
    auto shared = std::make_shared<const HttpHandler>(std::move(handler));
    return [authorizer = std::move(authorizer), shared](const HttpExchange& exchange, HttpResponseWriter& writer) {
        return serve(authorizer, shared, exchange, writer);
    };
}

}  // namespace kube
