#pragma once

#include "tests/simulation/world.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace simulation {

/// `plan` with only the events of these indices.
Plan only(const Plan& plan, const std::vector<std::size_t>& kept);

/// The indices of a small set of events with which the same invariant still breaks: none of them can be left out alone.
/// (Delta debugging, Zeller and Hildebrandt 2002, with the complement step only.)
std::vector<std::size_t> shrink(const Plan& plan, const std::string& invariant);

}  // namespace simulation
