#include "cmd/kubectl-endoscope/verdict_output.hpp"

#include "controller/container.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <iomanip>
#include <iostream>
#include <string_view>
#include <utility>

namespace endoscope::cli {
namespace {

using controller::PolicyRow;
using controller::Verdict;
using Json = nlohmann::ordered_json;  // Keys in the order of the contract.

/// A row for each Pod of a request that is allowed.
Json targets_json(const JudgedRequest& judged) {
    Json rows = Json::array();
    for (std::size_t i = 0; i < judged.verdict.containers.size(); ++i) {
        const controller::ContainerPlan& plan = judged.verdict.containers[i];
        rows.push_back({{"podName", judged.pods[i]},
                        {"containerName", plan.name},
                        {"container", build_ephemeral_container(judged.request, plan)}});
    }
    return rows;
}

Json to_json(const JudgedRequest& judged) {
    const Verdict& verdict = judged.verdict;
    Json targets = targets_json(judged);
    Json result = {{"namespace", judged.namespace_name},
                   {"name", judged.name},
                   {"allowed", verdict.allowed},
                   {"reason", api::to_string(verdict.reason)},
                   {"message", verdict.message},
                   {"policy", verdict.policy ? verdict.policy->name : std::string()},
                   {"image", verdict.image},
                   {"containerName", targets.empty() ? Json("") : targets.front()["containerName"]}};
    if (!targets.empty()) {
        result["container"] = targets.front()["container"];
        result["targets"] = std::move(targets);
    }
    Json rows = Json::array();
    for (const PolicyRow& row : verdict.policies) {
        rows.push_back({{"name", row.name},
                        {"accepted", row.accepted},
                        {"reason", api::to_string(row.reason)},
                        {"message", row.message}});
    }
    result["policies"] = std::move(rows);
    return result;
}

using Row = std::vector<std::string>;

/// Rows in columns, each line after `indent`.
void print_table(const std::vector<Row>& rows, std::string_view indent, std::ostream& out) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    for (const Row& row : rows) {
        out << indent;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool last = i + 1 == row.size();
            out << std::left << std::setw(last ? 0 : static_cast<int>(widths[i] + 3)) << row[i];
        }
        out << '\n';
    }
}

Row to_row(const JudgedRequest& judged) {
    const Verdict& verdict = judged.verdict;
    return {judged.namespace_name, judged.name, verdict.allowed ? "allowed" : "denied",
            std::string(api::to_string(verdict.reason)), verdict.policy ? verdict.policy->name : "-"};
}

/// A step of the verdict, with the last reason word that belongs to it: the words stand in the order of the rules.
struct Step {
    const char* name;
    api::Reason last;
};

constexpr std::array kSteps = {
    Step{"spec", api::Reason::invalid_image_reference},
    Step{"identity", api::Reason::identity_invalid},
    Step{"policy", api::Reason::namespace_protected},
    Step{"authorization", api::Reason::authorization_failed},
    Step{"target", api::Reason::target_windows},
    Step{"requester", api::Reason::requester_not_allowed},
    Step{"image", api::Reason::digest_required},
    Step{"container", api::Reason::command_not_allowed},
    Step{"target's rules", api::Reason::target_privileged},
    Step{"reason, time, number", api::Reason::limit_exceeded},
    Step{"pod security", api::Reason::pod_security_violation},
    Step{"approval", api::Reason::approval_timed_out},
};

/// What a step shows of a judgement that ended with `reason`.
std::string outcome(api::Reason reason, std::size_t step) {
    if (reason == api::Reason::allowed) return "ok";
    if (reason > kSteps.at(step).last) return "ok";
    const bool failed_before = step > 0 && reason <= kSteps.at(step - 1).last;
    return failed_before ? "-" : "> " + std::string(api::to_string(reason));
}

/// The steps of a denied request, a column for each policy that selects its namespace.
void print_steps(const Verdict& verdict, std::ostream& out) {
    std::vector<Row> rows{{"STEP"}};
    const bool by_policy = !verdict.policies.empty();
    if (by_policy) {
        for (const PolicyRow& policy : verdict.policies) rows.front().push_back("POLICY " + policy.name);
    } else {
        rows.front().emplace_back("RESULT");
    }
    for (std::size_t step = 0; step < kSteps.size(); ++step) {
        Row row{kSteps.at(step).name};
        for (const PolicyRow& policy : verdict.policies) row.push_back(outcome(policy.reason, step));
        if (!by_policy) row.push_back(outcome(verdict.reason, step));
        // Below the last failure there is nothing to see.
        if (std::all_of(row.begin() + 1, row.end(), [](const std::string& cell) { return cell == "-"; })) break;
        rows.push_back(std::move(row));
    }
    print_table(rows, "  ", out);
}

/// Where there are several Pods, which they are.
void print_targets(const JudgedRequest& judged, std::ostream& out) {
    const auto& containers = judged.verdict.containers;
    if (containers.size() < 2) return;
    std::vector<Row> rows{{"POD", "CONTAINER", "JOINS"}};
    for (std::size_t i = 0; i < containers.size(); ++i) {
        rows.push_back({judged.pods[i], containers[i].name, containers[i].target_container});
    }
    out << '\n' << judged.namespace_name << '/' << judged.name << " is allowed in " << containers.size() << " Pods:\n";
    print_table(rows, "  ", out);
}

void print_denial(const JudgedRequest& judged, std::ostream& out) {
    const Verdict& verdict = judged.verdict;
    out << '\n'
        << judged.namespace_name << '/' << judged.name << " is denied (" << api::to_string(verdict.reason) << "):\n";
    print_steps(verdict, out);
    out << "  what to change: " << verdict.message << '\n';
    for (const PolicyRow& row : verdict.policies) {
        if (row.message.empty() || row.message == verdict.message) continue;
        out << "  or, for policy " << row.name << ": " << row.message << '\n';
    }
}

}  // namespace

void print_json(const std::vector<JudgedRequest>& judged, std::ostream& out) {
    Json verdicts = Json::array();
    for (const JudgedRequest& each : judged) verdicts.push_back(to_json(each));
    out << Json{{"verdicts", std::move(verdicts)}}.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_text(const std::vector<JudgedRequest>& judged, std::ostream& out) {
    std::vector<Row> rows{{"NAMESPACE", "NAME", "VERDICT", "REASON", "POLICY"}};
    for (const JudgedRequest& each : judged) rows.push_back(to_row(each));
    print_table(rows, "", out);
    for (const JudgedRequest& each : judged) {
        for (const std::string& warning : each.verdict.warnings) {
            out << "warning: " << each.namespace_name << '/' << each.name << ": " << warning << '\n';
        }
    }
    for (const JudgedRequest& each : judged) print_targets(each, out);
    for (const JudgedRequest& each : judged) {
        if (!each.verdict.allowed) print_denial(each, out);
    }
}

}  // namespace endoscope::cli
