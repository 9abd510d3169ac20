#pragma once

#include "options.hpp"

namespace endoscope::cmd {

/// Runs the operator until SIGTERM or SIGINT. Returns the exit code; every failure has been printed as one line.
int run_app(const Options& options);

}  // namespace endoscope::cmd
