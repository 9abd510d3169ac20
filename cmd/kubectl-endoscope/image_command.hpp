#pragma once

#include "cmd/kubectl-endoscope/streams.hpp"

#include <string>
#include <vector>

namespace endoscope::cli {

struct ImageOptions {
    std::string reference;  ///< "-": one per line of the input.
    std::vector<std::string> patterns;
    std::string output = "text";
};

/// `kubectl endoscope image`: parses references and says which patterns allow them. Returns the exit code.
int run_image(const ImageOptions& options, const Streams& streams);

}  // namespace endoscope::cli
