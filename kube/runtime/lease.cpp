#include "kube/runtime/lease.hpp"

#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace kube {

namespace {

/// How much longer than the retry period a candidate may wait, so that candidates do not come in step.
constexpr double kJitter = 1.2;
constexpr Duration kMinRequestTimeout = std::chrono::seconds(1);
constexpr int kMaxInt32 = std::numeric_limits<std::int32_t>::max();
/// A lease that was returned says one second: zero is refused by the API server (kubernetes/kubernetes#91966).
constexpr int kReleasedSeconds = 1;

Result<void> read_text(const nlohmann::json& spec, const char* key, std::string& out) {
    const auto found = spec.find(key);
    if (found == spec.end() || found->is_null()) return {};
    if (!found->is_string()) return fail(ErrorKind::malformed, std::string("Lease: spec.") + key + " is not a string");
    out = found->get<std::string>();
    return {};
}

Result<void> read_count(const nlohmann::json& spec, const char* key, int& out) {
    const auto found = spec.find(key);
    if (found == spec.end() || found->is_null()) return {};
    if (!found->is_number_integer()) {
        return fail(ErrorKind::malformed, std::string("Lease: spec.") + key + " is not an integer");
    }
    out = static_cast<int>(std::clamp<std::int64_t>(found->get<std::int64_t>(), 0, kMaxInt32));
    return {};
}

nlohmann::json spec_of(const LeaseRecord& record) {
    return {{"holderIdentity", record.holder},
            {"leaseDurationSeconds", record.duration_seconds},
            {"acquireTime", record.acquire_time},
            {"renewTime", record.renew_time},
            {"leaseTransitions", record.transitions}};
}

/// Whether the write may have been made although an error was reported.
bool may_have_happened(const Error& error) {
    switch (error.kind) {
        case ErrorKind::transport:
        case ErrorKind::tls:
        case ErrorKind::timeout:
        case ErrorKind::cancelled:
        case ErrorKind::malformed:
        case ErrorKind::server:
            return true;
        default:
            return false;
    }
}

}  // namespace

Result<void> validate(const LeaseTimes& times) {
    if (times.lease < std::chrono::seconds(1) || times.lease > std::chrono::seconds(kMaxInt32)) {
        return fail(ErrorKind::config, "the lease duration must be at least one second");
    }
    if (times.retry_period <= Duration::zero()) {
        return fail(ErrorKind::config, "the retry period must be greater than zero");
    }
    if (times.lease <= times.renew_deadline) {
        return fail(ErrorKind::config, "the lease duration must be greater than the renew deadline");
    }
    if (times.renew_deadline <= times.retry_period * kJitter) {
        return fail(ErrorKind::config, "the renew deadline must be greater than 1.2 times the retry period");
    }
    return {};
}

Result<Lease> parse_lease(std::string_view body) {
    const auto object = parse_json(body);
    if (!object) return std::unexpected(object.error());
    Lease lease;
    lease.resource_version = string_at(*object, {"metadata", "resourceVersion"});
    if (lease.resource_version.empty()) return fail(ErrorKind::malformed, "Lease: no metadata.resourceVersion");
    const nlohmann::json* spec = find_at(*object, {"spec"});
    if (spec == nullptr || spec->is_null()) return lease;
    if (!spec->is_object()) return fail(ErrorKind::malformed, "Lease: spec is not an object");
    LeaseRecord& record = lease.record;
    for (const auto& read :
         {read_text(*spec, "holderIdentity", record.holder),
          read_count(*spec, "leaseDurationSeconds", record.duration_seconds),
          read_text(*spec, "acquireTime", record.acquire_time), read_text(*spec, "renewTime", record.renew_time),
          read_count(*spec, "leaseTransitions", record.transitions)}) {
        if (!read) return std::unexpected(read.error());
    }
    return lease;
}

std::string lease_object(const std::string& ns, const std::string& name, const LeaseRecord& record) {
    return dump_json({{"apiVersion", "coordination.k8s.io/v1"},
                      {"kind", "Lease"},
                      {"metadata", {{"name", name}, {"namespace", ns}}},
                      {"spec", spec_of(record)}});
}

std::string lease_patch(const LeaseRecord& record, const std::string& resource_version) {
    return dump_json({{"metadata", {{"resourceVersion", resource_version}}}, {"spec", spec_of(record)}});
}

LeaseFsm::LeaseFsm(std::string identity, LeaseTimes times, std::uint64_t seed)
    : identity_(std::move(identity)), times_(times), random_(seed) {}

bool LeaseFsm::is_leader(SteadyTime now) const {
    return leading() && !contradicted_ && now - renewed_ < times_.renew_deadline;
}

/// Asked before any report is looked at, even of success: leadership that lapsed for a moment does not come back.
bool LeaseFsm::expired(SteadyTime now) const {
    return leading() && now - renewed_ >= times_.renew_deadline;
}

/// Nothing that a leader does may outlast its leadership, so that the loss is noticed when it happens.
Duration LeaseFsm::bounded(Duration wanted, SteadyTime now) const {
    if (leading()) return std::min(wanted, leading_until() - now);
    if (phase_ == Phase::releasing) return std::min(wanted, release_by_ - now);
    return wanted;
}

LeaseFsm::Action LeaseFsm::end(LeaseEnd how) {
    phase_ = Phase::ended;
    how_ = how;
    return End{how};
}

LeaseFsm::Action LeaseFsm::read(Instant now) {
    return Read{bounded(std::max(kMinRequestTimeout, times_.renew_deadline / 2), now.steady)};
}

/// The same moment is never written twice, even if the wall clock stands still or is set back: the API server would
/// answer 200 without changing anything, and everybody else would see a lease that is no longer renewed.
std::string LeaseFsm::next_renew_time(WallTime now) {
    last_renew_time_ = std::max(now, last_renew_time_ + WallTime::duration(1));
    return format_micro_time(last_renew_time_);
}

LeaseFsm::Action LeaseFsm::write(LeaseRecord record, Instant now) {
    writing_since_ = now.steady;
    return Write{std::move(record), seen_ ? seen_->resource_version : std::string(),
                 bounded(std::max(kMinRequestTimeout, times_.renew_deadline / 2), now.steady)};
}

LeaseFsm::Action LeaseFsm::renew(Instant now) {
    LeaseRecord record;
    record.holder = identity_;
    record.duration_seconds = static_cast<int>(std::chrono::ceil<std::chrono::seconds>(times_.lease).count());
    record.renew_time = next_renew_time(now.wall);
    record.acquire_time =
        ours() && !seen_->record.acquire_time.empty() ? seen_->record.acquire_time : record.renew_time;
    if (seen_) record.transitions = seen_->record.transitions;
    if (seen_ && !ours() && record.transitions < kMaxInt32) ++record.transitions;
    return write(std::move(record), now);
}

LeaseFsm::Action LeaseFsm::give_back(Instant now) {
    LeaseRecord record;
    record.duration_seconds = kReleasedSeconds;
    record.renew_time = next_renew_time(now.wall);
    record.acquire_time = record.renew_time;
    record.transitions = seen_->record.transitions;
    return write(std::move(record), now);
}

LeaseFsm::Action LeaseFsm::start(Instant now) {
    return read(now);
}

LeaseFsm::Action LeaseFsm::on_waited(Instant now) {
    if (phase_ == Phase::ended) return End{how_};
    if (expired(now.steady)) return end(LeaseEnd::lost);
    if (phase_ == Phase::releasing && now.steady >= release_by_) return end(LeaseEnd::stopped);
    return leading() && current_ ? renew(now) : read(now);
}

LeaseFsm::Action LeaseFsm::on_read(const Result<Lease>& answer, Instant now) {
    if (phase_ == Phase::ended) return End{how_};
    if (expired(now.steady)) return end(LeaseEnd::lost);
    if (answer) {
        unsure_ = false;
        if (!seen_ || seen_->record != answer->record) seen_since_ = now.steady;
        seen_ = *answer;
        return decide(now);
    }
    if (answer.error().kind != ErrorKind::not_found) return retry_later(now);
    unsure_ = false;
    seen_.reset();
    contradicted_ = true;
    if (phase_ == Phase::releasing) return end(LeaseEnd::stopped);
    return renew(now);
}

LeaseFsm::Action LeaseFsm::decide(Instant now) {
    if (phase_ == Phase::releasing) {
        if (!ours()) return end(LeaseEnd::stopped);
        if (now.steady >= release_by_) return end(LeaseEnd::stopped);
        return give_back(now);
    }
    if (ours()) return renew(now);
    // Even an empty holder: somebody took the lease from us, and in the meantime another may have had it.
    if (leading()) return end(LeaseEnd::lost);
    if (seen_->record.holder.empty()) return renew(now);
    // The duration that the holder promised counts, so that replicas with other settings stay safe from each other.
    const Duration held = seen_->record.duration_seconds > 0
                              ? Duration(std::chrono::seconds(seen_->record.duration_seconds))
                              : times_.lease;
    const Duration left = held - (now.steady - seen_since_);
    if (left <= Duration::zero()) return renew(now);
    auto later = retry_later(now);
    auto& wait = std::get<Wait>(later);
    wait.delay = std::min(wait.delay, left);
    return later;
}

LeaseFsm::Action LeaseFsm::on_written(const Result<Lease>& answer, Instant now) {
    if (phase_ == Phase::ended) return End{how_};
    if (expired(now.steady)) return end(LeaseEnd::lost);
    current_ = false;
    if (!answer) {
        const Error& error = answer.error();
        unsure_ = unsure_ || may_have_happened(error);
        const bool refused = error.kind == ErrorKind::conflict || error.kind == ErrorKind::already_exists ||
                             error.kind == ErrorKind::not_found;
        if (refused) contradicted_ = true;
        // A time-out has cost enough time already, and the write may have happened.
        if (refused || error.kind == ErrorKind::timeout) return read_at_once(now);
        return retry_later(now);
    }
    unsure_ = false;
    seen_ = *answer;
    seen_since_ = now.steady;
    if (phase_ == Phase::releasing) return end(LeaseEnd::released);
    contradicted_ = !ours();
    // An answer that came too late proves only that the lease was ours; one that names another was changed on its way.
    if (!ours() || now.steady - writing_since_ >= times_.renew_deadline) return read_at_once(now);
    phase_ = Phase::leading;
    renewed_ = writing_since_;
    current_ = true;
    hurried_ = false;
    return Wait{bounded(times_.retry_period, now.steady)};
}

LeaseFsm::Action LeaseFsm::read_at_once(Instant now) {
    if (hurried_) return retry_later(now);
    if (phase_ == Phase::releasing && now.steady >= release_by_) return end(LeaseEnd::stopped);
    hurried_ = true;
    return read(now);
}

LeaseFsm::Action LeaseFsm::retry_later(Instant now) {
    hurried_ = false;
    if (phase_ == Phase::releasing && now.steady >= release_by_) return end(LeaseEnd::stopped);
    if (phase_ != Phase::candidate) return Wait{bounded(times_.retry_period, now.steady)};
    std::uniform_real_distribution<double> extra(0, kJitter);
    return Wait{times_.retry_period + std::chrono::duration_cast<Duration>(times_.retry_period * extra(random_))};
}

LeaseFsm::Action LeaseFsm::release(Instant now) {
    if (phase_ == Phase::ended) return End{how_};
    if (expired(now.steady)) return end(LeaseEnd::lost);
    const bool led = leading();
    const bool known = current_;
    phase_ = Phase::releasing;
    release_by_ = now.steady + times_.renew_deadline;
    hurried_ = false;
    if (led && known) return give_back(now);
    // A candidate may hold the lease without knowing; it would then be held by nobody for its whole duration.
    if (led || unsure_) return read(now);
    return end(LeaseEnd::stopped);
}

}  // namespace kube
