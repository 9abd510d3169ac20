#pragma once

#include <string_view>

namespace kube {

/// Whether `left` is older than `right`. resourceVersions of one resource are numbers that grow (KEP-5504); what is not
/// a number counts as 0.
bool is_older(std::string_view left, std::string_view right);

}  // namespace kube
