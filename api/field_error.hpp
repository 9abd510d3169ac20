#pragma once

#include <string>

namespace endoscope::api {

/// One thing wrong with an object, in the form in which the API server reports it.
struct FieldError {
    std::string field;    ///< Path from the root, e.g. "spec.target.podName" or "spec.env[2].name".
    std::string message;  ///< What is wrong and what would be right; one line, no trailing stop.

    /// "spec.target.podName: is required".
    std::string text() const { return field + ": " + message; }

    bool operator==(const FieldError&) const = default;
};

}  // namespace endoscope::api
