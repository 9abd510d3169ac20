#include "kube/runtime/event_series.hpp"

#include <algorithm>
#include <cstdio>
#include <initializer_list>

namespace kube {

namespace {

constexpr Duration kRefreshInterval = std::chrono::minutes(30);
/// After this long a repetition is news again.
constexpr Duration kSilence = std::chrono::minutes(6);
constexpr double kBurst = 25;
constexpr Duration kRefill = std::chrono::minutes(5);
/// 253 less a dot and 16 hexadecimal digits.
constexpr std::size_t kMaxNamePrefix = 236;

std::string join(std::initializer_list<std::string_view> parts) {
    std::string key;
    for (const std::string_view part : parts) key.append(part).push_back('\0');
    return key;
}

/// Equal Events differ in neither resourceVersion nor note: unique notes once took a cluster's storage down
/// (kubernetes/kubernetes#16600), and the version changes with every write of ours.
std::string series_key(const Event& event) {
    const ObjectReference& object = event.regarding;
    const ObjectReference related = event.related.value_or(ObjectReference());
    return join({event.type == EventType::normal ? "N" : "W", event.reason, event.action, object.api_version,
                 object.kind, object.ns, object.name, object.uid, object.field_path, related.kind, related.ns,
                 related.name, related.uid});
}

}  // namespace

std::string cut_utf8(std::string text, std::size_t limit) {
    if (text.size() <= limit) return text;
    std::size_t end = limit;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    text.resize(end);
    return text;
}

bool EventCorrelator::may_write(const ObjectReference& object, SteadyTime now) {
    const std::string key = join({object.kind, object.ns, object.name, object.uid});
    Allowance* allowance = allowances_.find(key);
    if (allowance == nullptr) {
        allowances_.insert(key, {.tokens = kBurst, .at = now});
        allowance = allowances_.find(key);
    }
    const double refilled = std::chrono::duration<double>(now - allowance->at) / std::chrono::duration<double>(kRefill);
    allowance->tokens = std::min(kBurst, allowance->tokens + refilled);
    allowance->at = now;
    if (allowance->tokens < 1) return false;
    allowance->tokens -= 1;
    return true;
}

void EventCorrelator::rename(EventSeries& series, WallTime now) {
    // <object>.<unix nanoseconds in hex>, made unique within one microsecond by a sequence.
    const auto nanos = static_cast<std::uint64_t>(now.time_since_epoch().count()) * 1000 + sequence_++ % 1000;
    char suffix[24];
    std::snprintf(suffix, sizeof suffix, ".%016llx", static_cast<unsigned long long>(nanos));
    std::string prefix = cut_utf8(series.event.regarding.name, kMaxNamePrefix);
    while (prefix.ends_with('-') || prefix.ends_with('.')) prefix.pop_back();
    series.name = prefix + suffix;
    series.written = 0;
}

EventCorrelator::Decision EventCorrelator::observe(Event event, Instant now) {
    const std::string key = series_key(event);
    Decision decision;
    if (const Series* const known = series_.find(key)) {
        EventSeries& series = **known;
        if (now.steady - series.seen_at < kSilence) {
            ++series.count;
            series.last_seen = now.wall;
            series.seen_at = now.steady;
            // The first repetition makes the Event a series at once, unless its creation is still to come.
            if (series.queued || series.written != 1) return decision;
            if (series.count > 2) return decision;
            if (!may_write(series.event.regarding, now.steady)) return decision;
            series.queued = true;
            decision.write = *known;
            return decision;
        }
        if (series.count > series.written && !series.queued) decision.evicted = *known;
        series_.erase(key);
    }
    if (!may_write(event.regarding, now.steady)) {
        decision.spam = true;
        return decision;
    }
    auto series = std::make_shared<EventSeries>();
    series->ns = event.regarding.ns.empty() ? "default" : event.regarding.ns;
    series->event = std::move(event);
    series->first_seen = now.wall;
    series->last_seen = now.wall;
    series->seen_at = now.steady;
    series->queued = true;
    rename(*series, now.wall);
    if (auto evicted = series_.insert(key, series)) {
        if ((*evicted)->count > (*evicted)->written && !(*evicted)->queued) decision.evicted = std::move(*evicted);
    }
    decision.write = std::move(series);
    return decision;
}

std::vector<EventCorrelator::Series> EventCorrelator::sweep(SteadyTime now, std::size_t room) {
    std::vector<Series> due;
    std::vector<std::string> silent;
    for (const auto& [key, series] : series_.entries()) {
        const bool is_silent = now - series->seen_at >= kSilence;
        const bool has_news = !series->queued && series->count > series->written;
        if (has_news && (is_silent || now - series->written_at >= kRefreshInterval)) {
            if (due.size() == room) continue;
            series->queued = true;
            due.push_back(series);
        }
        if (is_silent) silent.push_back(key);
    }
    for (const std::string& key : silent) series_.erase(key);
    return due;
}

std::vector<EventCorrelator::Series> EventCorrelator::unwritten() const {
    std::vector<Series> found;
    for (const auto& [key, series] : series_.entries()) {
        if (!series->queued && series->count > series->written) found.push_back(series);
    }
    return found;
}

void EventCorrelator::forget(const EventSeries& series) {
    const std::string key = series_key(series.event);
    const Series* const known = series_.find(key);
    if (known != nullptr && known->get() == &series) series_.erase(key);
}

}  // namespace kube
