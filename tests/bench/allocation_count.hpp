#pragma once

#include <cstdint>

namespace endoscope::bench {

/// How often this thread has taken memory from the heap by `operator new`, which a program that links this file has
/// replaced by one that counts.
std::uint64_t allocation_count();

}  // namespace endoscope::bench
