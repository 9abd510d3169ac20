#pragma once

#include "cmd/kubectl-endoscope/streams.hpp"

#include <string>
#include <vector>

namespace endoscope::cli {

struct VerdictOptions {
    std::vector<std::string> files;
    std::string user;  ///< Empty: the one in spec.requester.
    std::vector<std::string> groups;
    std::string uid;
    bool unauthorized = false;
    bool strict = false;  ///< An invalid DebugPolicy is an error, not a warning.
    std::string now;      ///< RFC 3339; empty: the present.
    std::string output = "text";
};

/// `kubectl endoscope verdict`: judges the DebugRequests of the files offline. Returns the exit code.
int run_verdict(const VerdictOptions& options, const Streams& streams);

}  // namespace endoscope::cli
