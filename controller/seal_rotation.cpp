#include "controller/seal_rotation.hpp"

#include <algorithm>
#include <utility>

namespace endoscope::controller {

namespace {

/// So many old keys fit into a Secret.
constexpr int kMostKeys = 1000;

/// Whether the time that a key's age is counted from is known. One far ahead was written by a clock that was wrong.
bool is_dated(const SealSecret& content, std::string_view id, kube::WallTime now, const SealKeySettings& settings) {
    const auto since = content.since.find(id);
    return since != content.since.end() && since->second <= now + settings.spread();
}

bool is_over(const SealSecret& content, const SealKey& key, kube::WallTime now, const SealKeySettings& settings) {
    const auto since = content.since.find(key.id);
    return key.id != content.next && since != content.since.end() && now - since->second >= settings.retention;
}

bool is_new_key_due(const SealSecret& content, kube::WallTime now, const SealKeySettings& settings) {
    if (!content.rotate.empty() && content.rotate != content.rotated) return true;
    if (settings.rotation == kube::Duration::zero()) return false;
    return now - content.since.at(content.ring.current.id) >= settings.rotation;
}

void date(SealSecret& content, kube::WallTime now, const SealKeySettings& settings) {
    const auto check = [&](const std::string& id) {
        if (id != content.next && !is_dated(content, id, now, settings)) content.since[id] = now;
    };
    check(content.ring.current.id);
    for (const SealKey& key : content.ring.others) check(key.id);
}

void promote(SealSecret& content, kube::WallTime now) {
    const auto next = std::ranges::find(content.ring.others, content.next, &SealKey::id);
    std::swap(content.ring.current, *next);
    content.since[content.ring.current.id] = now;
    content.since[next->id] = now;
    content.next.clear();
}

void drop(SealSecret& content, kube::WallTime now, const SealKeySettings& settings) {
    std::erase_if(content.ring.others, [&](const SealKey& key) {
        const bool over = is_over(content, key, now, settings);
        if (over) content.since.erase(key.id);
        return over;
    });
}

}  // namespace

std::string validate(const SealKeySettings& settings) {
    if (settings.refresh < std::chrono::milliseconds(100) || settings.refresh > std::chrono::minutes(10))
        return "--seal-key-refresh must be from 100ms to 10m";
    if (settings.rotation != kube::Duration::zero() && settings.rotation < settings.spread())
        return "--seal-key-rotation must be 0 (never) or at least three times --seal-key-refresh, or a key would be "
               "replaced before every replica knows it";
    if (settings.retention < settings.spread())
        return "--seal-key-retention must be at least three times --seal-key-refresh, or a key would be dropped while "
               "replicas still seal with it";
    if (settings.rotation != kube::Duration::zero() && settings.retention / settings.rotation >= kMostKeys)
        return "--seal-key-retention must be less than 1000 times --seal-key-rotation, or the keys do not fit into "
               "their Secret";
    return "";
}

std::string_view to_string(SealStep step) {
    switch (step) {
        case SealStep::none:
            return "none";
        case SealStep::date:
            return "date";
        case SealStep::begin:
            return "begin";
        case SealStep::promote:
            return "promote";
        case SealStep::drop:
            return "drop";
    }
    return "none";
}

SealStep next_step(const SealSecret& content, kube::WallTime now, kube::Duration unchanged_for,
                   const SealKeySettings& settings) {
    const auto undated = [&](const SealKey& key) {
        return key.id != content.next && !is_dated(content, key.id, now, settings);
    };
    if (undated(content.ring.current) || std::ranges::any_of(content.ring.others, undated)) return SealStep::date;
    const bool is_known_to_all = unchanged_for >= settings.spread();
    if (!content.next.empty()) return is_known_to_all ? SealStep::promote : SealStep::none;
    const auto over = [&](const SealKey& key) { return is_over(content, key, now, settings); };
    if (is_known_to_all && std::ranges::any_of(content.ring.others, over)) return SealStep::drop;
    return is_new_key_due(content, now, settings) ? SealStep::begin : SealStep::none;
}

SealSecret after_step(SealStep step, SealSecret content, kube::WallTime now, const SealKeySettings& settings,
                      SealKey fresh) {
    switch (step) {
        case SealStep::none:
            break;
        case SealStep::date:
            date(content, now, settings);
            break;
        case SealStep::begin:
            content.next = fresh.id;
            content.ring.others.push_back(std::move(fresh));
            content.rotated = content.rotate;
            break;
        case SealStep::promote:
            // Not by a step of its own: keys that are replaced one right after the other would never be dropped.
            drop(content, now, settings);
            promote(content, now);
            break;
        case SealStep::drop:
            drop(content, now, settings);
            break;
    }
    return content;
}

SealSecret first_content(SealKey key, kube::WallTime now) {
    SealSecret content;
    content.since[key.id] = now;
    content.ring.current = std::move(key);
    return content;
}

}  // namespace endoscope::controller
