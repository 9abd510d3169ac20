#pragma once

#include "tests/upstream/dice.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace endoscope::test {

/// A Pod with a few init, ordinary and ephemeral containers that complies with `restricted` in every version, in one of
/// the many ways that there are, and up to `deviations` random changes, each to something that a control of the Pod
/// Security Standards looks at. A change can be harmless, too.
nlohmann::json random_pod(Dice& dice, std::size_t deviations);

/// Sysctls that Kubernetes 1.37 has made safe, and that the release which the oracle is built from refuses.
std::vector<std::string> sysctls_of_1_37();

}  // namespace endoscope::test
