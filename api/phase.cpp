#include "api/phase.hpp"

#include <array>

namespace endoscope::api {
namespace {

constexpr std::array kPhases = {Phase::pending, Phase::awaiting_approval, Phase::injecting, Phase::starting,
                                Phase::running, Phase::succeeded,         Phase::failed,    Phase::denied,
                                Phase::expired};

}  // namespace

std::string_view to_string(Phase phase) {
    switch (phase) {
        case Phase::pending:
            return "Pending";
        case Phase::awaiting_approval:
            return "AwaitingApproval";
        case Phase::injecting:
            return "Injecting";
        case Phase::starting:
            return "Starting";
        case Phase::running:
            return "Running";
        case Phase::succeeded:
            return "Succeeded";
        case Phase::failed:
            return "Failed";
        case Phase::denied:
            return "Denied";
        case Phase::expired:
            return "Expired";
    }
    return {};
}

std::optional<Phase> phase_from_string(std::string_view text) {
    for (const Phase phase : kPhases) {
        if (to_string(phase) == text) return phase;
    }
    return std::nullopt;
}

bool is_terminal(Phase phase) {
    switch (phase) {
        case Phase::pending:
        case Phase::awaiting_approval:
        case Phase::injecting:
        case Phase::starting:
        case Phase::running:
            return false;
        case Phase::succeeded:
        case Phase::failed:
        case Phase::denied:
        case Phase::expired:
            return true;
    }
    return true;
}

bool holds_a_place(Phase phase) {
    return phase != Phase::pending && !is_terminal(phase);
}

}  // namespace endoscope::api
