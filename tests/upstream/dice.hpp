#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string_view>

namespace endoscope::test {

/// Choices from a fixed seed: the same everywhere, as the engine is specified and no distribution is used.
class Dice final {
  public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}

    /// 0 to `count` - 1.
    std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }

    /// True once in `times`, on average.
    bool one_in(std::size_t times) { return below(times) == 0; }

    std::string_view any_of(std::initializer_list<std::string_view> choices) {
        return choices.begin()[below(choices.size())];
    }

  private:
    std::mt19937_64 engine_;
};

}  // namespace endoscope::test
