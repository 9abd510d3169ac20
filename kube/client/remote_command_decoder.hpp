#pragma once

#include "kube/base/error.hpp"
#include "kube/net/websocket.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace kube {

/// What is known of a command that ran in a container and ended.
struct ExecResult {
    std::string output;        ///< Its stdout, as bytes.
    std::string error_output;  ///< Its stderr.
    bool output_cut = false;   ///< One of them was longer than the limit: what is here is its beginning.
    int exit_code = 0;         ///< 0 to 255; a runtime tells a signal as 128 and its number.
};

/// Reads what the API server sends over `v4.channel.k8s.io` and `v5.channel.k8s.io`, without any I/O. The first byte of
/// a message is its channel: 1 stdout, 2 stderr, 3 the Status that says how the command ended; others are ignored, as
/// client-go does. Source: client-go tools/remotecommand (websocket.go, v4.go), KEP-4006.
class RemoteCommandDecoder {
  public:
    static constexpr std::size_t kMaxStatus = 64 * 1024;

    /// Of stdout and of stderr, `max_output` bytes each are kept.
    explicit RemoteCommandDecoder(std::size_t max_output) : max_output_(max_output) {}

    /// Takes a piece; an error ends it all.
    Result<void> feed(const WebSocketPiece& piece);
    /// The Status is complete: it is the last thing that a server sends, and what came after it would be ignored.
    bool done() const { return done_; }
    /// How it ended, once `done()` or when the peer has left. A Status of failure other than an exit code becomes an
    /// error with the server's words: the command did not run, or how it ended is unknown. No Status is an error.
    Result<ExecResult> finish() &&;

  private:
    void keep(std::string& where, std::string_view bytes);

    std::size_t max_output_;
    ExecResult result_;
    std::string status_;
    int channel_ = -1;  ///< Of the current message; -1 before its first byte.
    bool done_ = false;
};

/// Whether `error` says that the container has no such program, or one that cannot be executed. The runtimes have no
/// code for it, only words: those of runc, crun, youki and gVisor are known here.
bool is_missing_program(const Error& error);

/// Whether `error` says that the container does not run (any more), in the words of kubelet and runtimes.
bool is_container_not_running(const Error& error);

}  // namespace kube
