#pragma once

#include <string_view>

namespace endoscope::controller {

/// Whether the whole of `text` matches `pattern`, in which `*` stands for any run of characters and everything else for
/// itself. Allocates nothing; at worst |pattern| x |text| steps.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace endoscope::controller
