#pragma once

// Private to this folder: connections that must end when the client's identity changes.

#include "kube/net/byte_stream.hpp"

#include <memory>
#include <set>

namespace kube {

/// The open connections of a transport.
class OpenStreams : public std::enable_shared_from_this<OpenStreams> {
  public:
    /// A stream that passes everything on to `stream` and is known here as long as it lives.
    std::unique_ptr<ByteStream> track(std::unique_ptr<ByteStream> stream);
    /// Closes all of them; what they were doing fails with `ErrorKind::transport`, as if the server had closed them.
    void close_all();

  private:
    class Stream;
    std::set<Stream*> open_;
};

}  // namespace kube
