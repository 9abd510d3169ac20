#pragma once

#include <string>

namespace endoscope::test {

/// Makes the etcd at `url` ("http://127.0.0.1:2379") forget its history up to now. Throws when it does not.
void compact_etcd(const std::string& url);

}  // namespace endoscope::test
