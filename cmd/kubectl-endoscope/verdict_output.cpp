#include "cmd/kubectl-endoscope/verdict_output.hpp"

#include "controller/container.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <iomanip>
#include <iostream>

namespace endoscope::cli {
namespace {

using controller::PolicyRow;
using controller::Verdict;
using Json = nlohmann::ordered_json;  // Keys in the order of the contract.

Json to_json(const JudgedRequest& judged) {
    const Verdict& verdict = judged.verdict;
    Json result = {{"namespace", judged.namespace_name},
                   {"name", judged.name},
                   {"allowed", verdict.allowed},
                   {"reason", api::to_string(verdict.reason)},
                   {"message", verdict.message},
                   {"policy", verdict.policy ? verdict.policy->name : std::string()},
                   {"image", verdict.image},
                   {"containerName", verdict.container ? verdict.container->name : std::string()}};
    if (verdict.container) result["container"] = build_ephemeral_container(judged.request, *verdict.container);
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

using Row = std::array<std::string, 5>;

Row to_row(const JudgedRequest& judged) {
    const Verdict& verdict = judged.verdict;
    return {judged.namespace_name, judged.name, verdict.allowed ? "allowed" : "denied",
            std::string(api::to_string(verdict.reason)), verdict.policy ? verdict.policy->name : "-"};
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
    std::array<std::size_t, 5> widths{};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths.at(i) = std::max(widths.at(i), row.at(i).size());
    }
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (std::size_t i = 0; i < rows[r].size(); ++i) {
            const bool last = i + 1 == rows[r].size();
            out << std::left << std::setw(last ? 0 : static_cast<int>(widths.at(i) + 3)) << rows[r].at(i);
        }
        out << '\n';
        if (r == 0) continue;
        const Verdict& verdict = judged[r - 1].verdict;
        if (!verdict.allowed) out << "  " << verdict.message << '\n';
        for (const std::string& warning : verdict.warnings) out << "  warning: " << warning << '\n';
        if (verdict.allowed || verdict.policies.size() < 2) continue;
        for (const PolicyRow& row : verdict.policies) {
            out << "  policy " << row.name << ": " << api::to_string(row.reason) << ": " << row.message << '\n';
        }
    }
}

}  // namespace endoscope::cli
