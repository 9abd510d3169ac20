#pragma once

#include "tests/upstream/dice.hpp"

#include <string>
#include <vector>

namespace endoscope::test {

/// A text that is, or nearly is, an image reference: made by the grammar with odd choices at each place, and a third
/// of the time damaged afterwards. Never holds a line feed.
std::string random_image_text(Dice& dice);

/// Texts that the tests of the field's own parsers are about, and those with which allow lists are attacked.
std::vector<std::string> known_image_texts();

}  // namespace endoscope::test
