#include "controller/overall.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace endoscope::controller {

using api::Phase;
using api::Reason;

namespace {

bool is_over(const PartView& view) {
    return api::is_terminal(view.progress.phase);
}

bool is_pending(const PartView& view) {
    return !view.part.injected && !view.part.refused;
}

bool has_started(const PartView& view) {
    return !view.progress.started_at.empty();
}

/// Has its container, which says something about image and command; not where the Pod went before it could start.
bool is_tried(const PartView& view) {
    return view.part.injected && (has_started(view) || view.progress.reason != Reason::target_gone);
}

std::string in_pod(const PartView& view) {
    return "Pod " + view.part.pod + ": " + view.progress.message;
}

/// The times as the API server writes them are all UTC and compare as text.
std::string earliest_start(const std::vector<PartView>& parts) {
    std::string earliest;
    for (const PartView& view : parts) {
        const std::string& start = view.progress.started_at;
        if (!start.empty() && (earliest.empty() || start < earliest)) earliest = start;
    }
    return earliest;
}

std::string latest(const std::vector<PartView>& parts, std::string Progress::* field) {
    std::string latest;
    for (const PartView& view : parts) latest = std::max(latest, view.progress.*field);
    return latest;
}

/// "Running" while any runs, "Terminated" once every container that was added has ended.
std::string state_of(const std::vector<PartView>& parts) {
    const auto any = [&](std::string_view state) {
        return std::ranges::any_of(parts, [&](const PartView& view) { return view.progress.state == state; });
    };
    for (const std::string_view state : {"Running", "Waiting", "Unknown", "Pending"}) {
        if (any(state)) return std::string(state);
    }
    return any("Terminated") ? "Terminated" : "NotInjected";
}

void conclude(Progress& whole, const std::vector<PartView>& parts) {
    const std::string total = std::to_string(parts.size());
    for (const Phase phase : {Phase::failed, Phase::expired}) {
        const auto is_one = [&](const PartView& view) { return view.progress.phase == phase; };
        const auto first = std::ranges::find_if(parts, is_one);
        if (first == parts.end()) continue;
        whole.phase = phase;
        whole.reason = first->progress.reason;
        whole.message = std::to_string(std::ranges::count_if(parts, is_one)) + " of " + total + " Pods " +
                        (phase == Phase::failed ? "failed" : "passed their deadline") + "; " + in_pod(*first);
        return;
    }
    whole.phase = Phase::succeeded;
    whole.reason = parts.front().progress.reason;
    whole.message = "all " + total + " Pods succeeded; " + in_pod(parts.front());
}

}  // namespace

Progress progress_without_container(const SessionPart& part) {
    Progress progress;
    if (part.refused) {
        progress.phase = Phase::failed;
        progress.reason = part.refused->reason;
        progress.message = part.refused->message;
        progress.state = "NotInjected";
        return progress;
    }
    progress.phase = Phase::injecting;
    progress.reason = Reason::injecting;
    progress.message = "its container has not been added yet";
    progress.state = "Pending";
    return progress;
}

std::optional<Progress> recorded_end(const api::TargetStatus& row) {
    const auto reason = api::reason_from_string(row.reason);
    if (row.state != "Terminated" || !row.exit_code || !reason) return std::nullopt;
    Progress progress;
    progress.reason = *reason;
    progress.phase = *reason == Reason::deadline_exceeded ? Phase::expired : Phase::failed;
    if (*reason == Reason::completed || *reason == Reason::session_ended || *reason == Reason::already_satisfied)
        progress.phase = Phase::succeeded;
    progress.message = row.message;
    progress.state = row.state;
    progress.started_at = row.started_at;
    progress.finished_at = row.finished_at;
    progress.image_id = row.image_id;
    progress.exit_code = row.exit_code;
    return progress;
}

Progress combine(const std::vector<PartView>& parts) {
    if (parts.size() == 1) return parts.front().progress;
    Progress whole;
    whole.state = state_of(parts);
    whole.started_at = earliest_start(parts);
    whole.expires_at = latest(parts, &Progress::expires_at);
    for (const PartView& view : parts) {
        whole.still_running = whole.still_running || view.progress.still_running;
        const auto& check = view.progress.check_after;
        if (check && (!whole.check_after || *check < *whole.check_after)) whole.check_after = check;
    }
    if (std::ranges::all_of(parts, is_over)) {
        if (!whole.still_running) whole.finished_at = latest(parts, &Progress::finished_at);
        conclude(whole, parts);
        return whole;
    }
    const auto running =
        std::ranges::count_if(parts, [](const auto& view) { return view.progress.state == "Running"; });
    const auto failed =
        std::ranges::find_if(parts, [](const auto& view) { return view.progress.phase == Phase::failed; });
    if (std::ranges::any_of(parts, has_started)) {
        whole.phase = Phase::running;
        whole.reason = Reason::started;
        whole.message = "debug containers run in " + std::to_string(running) + " of " + std::to_string(parts.size()) +
                        " Pods" + (whole.expires_at.empty() ? "" : ", the last until " + whole.expires_at);
        if (failed != parts.end()) whole.message += "; " + in_pod(*failed);
        return whole;
    }
    const auto starting =
        std::ranges::find_if(parts, [](const auto& view) { return view.progress.phase == Phase::starting; });
    if (starting != parts.end()) {
        whole.phase = Phase::starting;
        whole.reason = Reason::waiting_for_start;
        whole.message = in_pod(*starting);
        return whole;
    }
    whole.phase = Phase::injecting;
    whole.reason = Reason::injecting;
    whole.message = std::to_string(parts.size()) + " Pods were chosen; " + parts.front().part.pod + " is the first";
    return whole;
}

bool may_go_on(const std::vector<PartView>& parts) {
    return std::ranges::any_of(parts, is_pending) &&
           (std::ranges::none_of(parts, is_tried) || std::ranges::any_of(parts, has_started));
}

std::optional<SessionPart::Refused> reason_to_stop(const std::vector<PartView>& parts) {
    const auto may_start = [](const PartView& view) { return is_tried(view) && (!is_over(view) || has_started(view)); };
    const auto first = std::ranges::find_if(parts, is_tried);
    if (first == parts.end() || std::ranges::any_of(parts, may_start)) return std::nullopt;
    return SessionPart::Refused{.reason = first->progress.reason,
                                .message = "no container was added here, since the first one did not start"};
}

}  // namespace endoscope::controller
