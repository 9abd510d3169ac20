#pragma once

namespace endoscope::cmd {

/// Prints the CRDs, with `all` also the webhook configurations, as YAML on stdout.
int print_manifests(bool all, bool fence);

}  // namespace endoscope::cmd
