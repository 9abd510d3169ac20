#pragma once

#include "kube/base/error.hpp"

#include <string>

namespace kube {

/// The parts of an absolute URL that name a server. Query and fragment are dropped.
struct Url {
    std::string scheme;  ///< Lower case.
    std::string user;    ///< Decoded, may be empty.
    std::string password;
    std::string host;         ///< Without brackets, never empty.
    unsigned short port = 0;  ///< 0 = none given.
    std::string path;         ///< As written, percent-encoded.
};

/// Splits `text` (RFC 3986). The error says what is wrong and does not quote `text`, which may hold a password.
Result<Url> parse_url(const std::string& text);

}  // namespace kube
