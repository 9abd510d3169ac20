#include "controller/seal_keys.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>

namespace endoscope::controller {
namespace asio = boost::asio;

namespace {

/// After a reading that failed, or found nothing to use.
constexpr kube::Duration kRetryDelay = std::chrono::seconds(2);
/// Between two readings, whoever asks: seals are written by anybody where the webhook is bypassed.
constexpr kube::Duration kShortestPause = std::chrono::seconds(3);
constexpr kube::Duration kTimeout = std::chrono::seconds(10);

std::string secrets_path(const std::string& ns) {
    return "/api/v1/namespaces/" + kube::percent_encode(ns) + "/secrets";
}

std::optional<SealKey> make_key() {
    SealKey key;
    std::array<unsigned char, 5> id{};
    if (RAND_bytes(key.bytes.data(), static_cast<int>(key.bytes.size())) != 1 ||
        RAND_bytes(id.data(), static_cast<int>(id.size())) != 1) {
        kube::log::error("seal", "the system has no randomness for a seal key");
        return std::nullopt;
    }
    static constexpr std::string_view kHex = "0123456789abcdef";
    for (const unsigned char byte : id) {
        key.id += kHex[byte >> 4U];
        key.id += kHex[byte & 15U];
    }
    return key;
}

}  // namespace

SealKeys::SealKeys(asio::any_io_executor executor, Context context)
    : context_(std::move(context)),
      name_("Secret " + context_.ns + "/" + std::string(kSealSecret)),
      changed_(std::move(executor)),
      problem_(name_ + " has not been read yet") {}

asio::awaitable<void> SealKeys::run(std::stop_token stop) {
    const std::stop_callback on_stop(stop, [this] { changed_.notify_all(); });
    while (!stop.stop_requested()) {
        co_await look(stop);
        const kube::Duration pause =
            problem_.empty() ? context_.settings.refresh : std::min(kRetryDelay, context_.settings.refresh);
        next_read_ = read_began_ + pause;
        while (!stop.stop_requested() && context_.clock.steady_now() < next_read_) {
            const auto timer = context_.clock.call_at(next_read_, [this] { changed_.notify_all(); });
            co_await changed_.wait();
        }
    }
}

std::shared_ptr<const SealKeyRing> SealKeys::ring() const {
    if (!known_ || context_.clock.steady_now() - known_->read_at > context_.settings.spread()) return nullptr;
    return known_->ring;
}

std::string SealKeys::problem() const {
    if (ring()) return "";
    return problem_.empty() ? name_ + " has not been read for too long" : problem_;
}

bool SealKeys::has_read_since(kube::SteadyTime moment) const {
    return ring() && known_->read_at > moment;
}

void SealKeys::read_soon() {
    const kube::SteadyTime earliest = read_began_ + std::min(kShortestPause, context_.settings.refresh);
    if (next_read_ <= earliest) return;
    next_read_ = earliest;
    changed_.notify_all();
}

void SealKeys::lead() {
    next_read_ = context_.clock.steady_now();
    changed_.notify_all();
}

asio::awaitable<void> SealKeys::look(std::stop_token stop) {
    read_began_ = context_.clock.steady_now();
    kube::ApiRequest request;
    request.path = secrets_path(context_.ns) + "/" + std::string(kSealSecret);
    request.timeout = kTimeout;
    request.max_attempts = 1;  // the next reading comes soon
    auto secret = co_await send(std::move(request), stop);
    // After a stop no write is begun, so that none is under way when the Lease is given back.
    const bool writes = may_write() && !stop.stop_requested();
    if (secret) {
        auto content = accept(*secret, read_began_);
        if (content && writes) co_await advance(*std::move(secret), *std::move(content));
    } else if (secret.error().kind == kube::ErrorKind::not_found) {
        lose(name_ + " is not there; the replica that leads makes a new one");
        if (writes) co_await create();
    } else if (secret.error().kind != kube::ErrorKind::cancelled) {
        note_failure(secret.error());
    }
    show();
}

asio::awaitable<void> SealKeys::create() {
    auto key = make_key();
    if (!key) co_return;
    const std::string id = key->id;
    nlohmann::json secret = {{"type", "Opaque"}};
    write_seal_secret(secret, first_content(*std::move(key), context_.clock.now()));
    kube::ApiRequest request = write_request(secret);
    request.method = "POST";
    request.path = secrets_path(context_.ns);
    const kube::SteadyTime began = context_.clock.steady_now();
    const auto created = co_await send(std::move(request), {});
    if (!created) {
        // Another may have been first; the next reading tells.
        kube::log::warn("seal", "cannot make the seal key", {{"secret", name_}, {"error", created.error().message}});
        co_return;
    }
    kube::log::info("seal", "made the seal key", {{"secret", name_}, {"key", id}});
    accept(*created, began);
    tell(kube::EventType::normal, "SealKeyCreated", "Create",
         "there was no seal key; requests that were sealed with an earlier one are denied");
}

asio::awaitable<void> SealKeys::advance(nlohmann::json secret, SealSecret content) {
    const kube::WallTime now = context_.clock.now();
    const kube::Duration unchanged_for = context_.clock.steady_now() - known_->unchanged_since;
    const SealStep step = next_step(content, now, unchanged_for, context_.settings);
    if (step == SealStep::none) co_return;
    SealKey fresh;
    if (step == SealStep::begin) {
        auto key = make_key();
        if (!key) co_return;
        fresh = *std::move(key);
    }
    const SealSecret after = after_step(step, std::move(content), now, context_.settings, std::move(fresh));
    write_seal_secret(secret, after);
    kube::ApiRequest request = write_request(secret);
    request.method = "PUT";
    request.path = secrets_path(context_.ns) + "/" + std::string(kSealSecret);
    const kube::SteadyTime began = context_.clock.steady_now();
    const auto written = co_await send(std::move(request), {});
    if (!written) {
        kube::log::warn("seal", "cannot replace the seal key",
                        {{"secret", name_}, {"step", to_string(step)}, {"error", written.error().message}});
        co_return;
    }
    accept(*written, began);
    kube::log::info("seal", "the seal keys have changed",
                    {{"secret", name_},
                     {"step", to_string(step)},
                     {"current", after.ring.current.id},
                     {"next", after.next},
                     {"keys", after.ring.others.size() + 1}});
    if (step != SealStep::promote) co_return;
    context_.metrics.seal_key_rotated();
    tell(kube::EventType::normal, "SealKeyRotated", "Rotate",
         "requests are sealed with key " + after.ring.current.id + " from now on; earlier keys are accepted until " +
             "their time is over");
}

asio::awaitable<kube::Result<nlohmann::json>> SealKeys::send(kube::ApiRequest request, std::stop_token stop) {
    const auto body = co_await context_.client.call(std::move(request), stop);
    if (!body) co_return std::unexpected(body.error());
    co_return kube::parse_json(*body);
}

kube::ApiRequest SealKeys::write_request(const nlohmann::json& secret) const {
    kube::ApiRequest request;
    request.body = kube::dump_json(secret);
    request.may_send = context_.gate.may_send;
    request.timeout = context_.gate.timeout.value_or(kTimeout);
    request.max_attempts = 1;
    return request;
}

std::optional<SealSecret> SealKeys::accept(const nlohmann::json& secret, kube::SteadyTime read_at) {
    auto content = parse_seal_secret(secret);
    if (!content) {
        lose(name_ + " " + content.error() + "; repair it, or delete it (requests that are pending are then denied)");
        return std::nullopt;
    }
    std::string version = kube::string_at(secret, {"metadata", "resourceVersion"});
    const bool is_unchanged = known_ && known_->version == version;
    const kube::SteadyTime unchanged_since = is_unchanged ? known_->unchanged_since : context_.clock.steady_now();
    if (!is_unchanged) {
        const std::string& id = content->ring.current.id;
        if (!known_ || known_->ring->current.id != id)
            kube::log::info("seal", "requests are sealed with this key", {{"key", id}});
        known_ = Known{.ring = std::make_shared<const SealKeyRing>(content->ring),
                       .read_at = read_at,
                       .version = std::move(version),
                       .unchanged_since = unchanged_since};
        const auto since = content->since.find(id);
        context_.metrics.seal_key_since(since == content->since.end() ? kube::WallTime() : since->second);
    }
    known_->read_at = read_at;
    problem_.clear();
    return *std::move(content);
}

void SealKeys::lose(std::string why) {
    known_.reset();
    if (why == problem_) return;
    kube::log::warn("seal", "there is no seal key", {{"why", why}});
    problem_ = std::move(why);
    if (may_write()) tell(kube::EventType::warning, "SealKeyMissing", "Read", problem_);
}

void SealKeys::note_failure(const kube::Error& error) {
    std::string why = name_ + " cannot be read: " + error.message;
    if (why == problem_) return;
    kube::log::warn("seal", "cannot read the seal key", {{"why", why}});
    problem_ = std::move(why);
}

void SealKeys::show() {
    const auto keys = ring();
    context_.metrics.seal_keys(keys ? keys->others.size() + 1 : 0);
}

void SealKeys::tell(kube::EventType type, const std::string& reason, const std::string& action,
                    const std::string& note) {
    context_.events.record({.regarding = {.api_version = "v1",
                                          .kind = "Secret",
                                          .ns = context_.ns,
                                          .name = std::string(kSealSecret),
                                          .uid = {},
                                          .resource_version = {},
                                          .field_path = {}},
                            .related = std::nullopt,
                            .type = type,
                            .reason = reason,
                            .action = action,
                            .note = note});
}

}  // namespace endoscope::controller
