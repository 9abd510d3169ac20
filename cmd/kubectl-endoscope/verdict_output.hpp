#pragma once

#include "api/debug_request.hpp"
#include "controller/verdict.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace endoscope::cli {

struct JudgedRequest {
    std::string namespace_name;
    std::string name;
    controller::Verdict verdict;
    std::vector<std::string> pods;  ///< Names of the chosen Pods, in the order of `verdict.containers`.
    api::DebugRequest request;
};

/// The JSON of the command's contract.
void print_json(const std::vector<JudgedRequest>& judged, std::ostream& out);

/// For people: a line per request, below it what failed and what to change.
void print_text(const std::vector<JudgedRequest>& judged, std::ostream& out);

}  // namespace endoscope::cli
