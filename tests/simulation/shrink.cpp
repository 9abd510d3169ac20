#include "tests/simulation/shrink.hpp"

#include <algorithm>
#include <numeric>

namespace simulation {

Plan only(const Plan& plan, const std::vector<std::size_t>& kept) {
    Plan smaller = plan;
    smaller.events.clear();
    for (const std::size_t index : kept) smaller.events.push_back(plan.events.at(index));
    return smaller;
}

std::vector<std::size_t> shrink(const Plan& plan, const std::string& invariant) {
    const auto still_breaks = [&](const std::vector<std::size_t>& kept) {
        const auto outcome = run(only(plan, kept), false);
        return outcome.violation && outcome.violation->invariant == invariant;
    };
    std::vector<std::size_t> kept(plan.events.size());
    std::iota(kept.begin(), kept.end(), 0);
    for (std::size_t chunk = std::max<std::size_t>(kept.size() / 2, 1);;) {
        bool smaller = false;
        for (std::size_t at = 0; at < kept.size();) {
            std::vector<std::size_t> fewer = kept;
            const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
            fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(chunk, fewer.size() - at)));
            if (still_breaks(fewer)) {
                kept = std::move(fewer);
                smaller = true;
            } else {
                at += chunk;
            }
        }
        if (chunk == 1 && !smaller) return kept;
        chunk = std::max<std::size_t>(chunk / 2, 1);
    }
}

}  // namespace simulation
