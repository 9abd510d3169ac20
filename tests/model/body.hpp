#pragma once

#include "tests/model/api_error.hpp"

#include <string>

namespace model {

/// The media type of a Content-Type header, without parameters.
std::string media_type(const std::string& header);
/// A request's body as JSON: from JSON, or from protobuf for the kinds that kubectl sends so. Other types are 415.
Outcome<Json> decode_body(const std::string& content_type, const std::string& body);

}  // namespace model
