#pragma once

#include "kube/net/byte_stream.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace endoscope::bench {

/// The next piece of a response's body; nothing at its end.
using Body = std::function<std::optional<std::string_view>()>;

/// A server in memory that answers every GET with 200 and a body made while it is read, so that it costs the process
/// under measurement neither memory nor a socket. `answer` gets the request's target.
std::shared_ptr<kube::Transport> make_generated_server(std::function<Body(std::string_view target)> answer);

}  // namespace endoscope::bench
