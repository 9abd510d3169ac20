#pragma once

#include <set>
#include <string>
#include <vector>

namespace endoscope::test {

/// A file of the source tree, "" when it cannot be read. `path` is relative to the root of the tree.
std::string read_source(const std::string& path);

/// "Suite.Test" of every test in the tree, and "Suite.*" of every suite.
std::set<std::string> all_tests();

/// The tests that a page of the documentation names, in its order, each as often as it is named.
std::vector<std::string> tests_named_in(const std::string& page);

}  // namespace endoscope::test
