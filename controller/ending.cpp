#include "controller/ending.hpp"

#include <algorithm>

namespace endoscope::controller {

kube::Duration pause_after(int attempt, bool has_succeeded) {
    constexpr int kDoublings = 5;
    constexpr kube::Duration kLongest = std::chrono::minutes(1);
    if (has_succeeded) return kLongest;
    const kube::Duration pause = std::chrono::seconds(2) * (1 << std::clamp(attempt - 1, 0, kDoublings));
    return std::min(pause, kLongest);
}

}  // namespace endoscope::controller
