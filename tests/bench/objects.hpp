#pragma once

#include <cstdint>
#include <string>

namespace endoscope::bench {

/// A Pod as an API server sends it, about 6 KB of compact JSON with the managed fields that a Deployment's Pod has.
std::string pod_json(std::int64_t number);

/// The phases in which a DebugRequest is measured.
enum class RequestState : bool { running, succeeded };

/// A DebugRequest as an API server sends it: stamped, with the status that the operator writes (about 3 KB).
std::string debug_request_json(std::int64_t number, RequestState state);

/// One line of a watch.
std::string watch_event(const std::string& object);

}  // namespace endoscope::bench
