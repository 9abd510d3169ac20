#pragma once

#include "tests/model/reply.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace model {

/// Annotation of a Pod: what its containers have written. Without it each says who it is, in one line.
inline constexpr const char* kLogAnnotation = "model.endoscope.dev/log";

struct LogOptions {
    std::string container;  ///< Empty: the only one.
    std::optional<std::int64_t> lines;
    std::optional<std::int64_t> bytes;
};

/// What the query of GET pods/{name}/log asks for. It is judged before the Pod is looked up.
Outcome<LogOptions> log_options(const std::string& pod, const QueryParams& query);

/// The answer, as an API server and the kubelet behind it give it. Pure: what a container has written is derived from
/// the Pod.
Outcome<Reply> pod_log(const Json& pod, const LogOptions& options);

}  // namespace model
