#include "kube/client/remote_command_decoder.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/client/status.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

namespace kube {

namespace {

constexpr int kNoChannel = -1;
constexpr int kStdout = 1;
constexpr int kStderr = 2;
constexpr int kStatus = 3;
constexpr std::size_t kMaxQuoted = 200;

std::unexpected<Error> unusable(const std::string& what, std::string_view status) {
    return fail(ErrorKind::malformed, "the Status of the command " + what + ": " +
                                          log::escape(status.substr(0, std::min(status.size(), kMaxQuoted))));
}

/// The exit code among the causes of a NonZeroExitCode.
std::optional<int> exit_code_of(const nlohmann::json& status) {
    const nlohmann::json* causes = find_at(status, {"details", "causes"});
    if (causes == nullptr || !causes->is_array()) return std::nullopt;
    for (const auto& cause : *causes) {
        if (string_at(cause, {"reason"}) != "ExitCode") continue;
        const std::string text = string_at(cause, {"message"});
        unsigned code = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
        const bool valid = error == std::errc() && end == text.data() + text.size() && code >= 1 && code <= 255;
        return valid ? std::optional(static_cast<int>(code)) : std::nullopt;
    }
    return std::nullopt;
}

bool contains_any(std::string_view text, std::span<const std::string_view> words) {
    return std::ranges::any_of(words, [text](std::string_view word) { return text.contains(word); });
}

}  // namespace

Result<void> RemoteCommandDecoder::feed(const WebSocketPiece& piece) {
    if (done_) return {};
    if (!piece.binary) return fail(ErrorKind::malformed, "a text message, where only binary ones are expected");
    std::string_view bytes = piece.bytes;
    if (piece.begins) channel_ = kNoChannel;
    if (channel_ == kNoChannel && !bytes.empty()) {
        channel_ = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
    }
    if (channel_ == kStdout) keep(result_.output, bytes);
    if (channel_ == kStderr) keep(result_.error_output, bytes);
    if (channel_ != kStatus) return {};
    if (bytes.size() > kMaxStatus - status_.size()) {
        return fail(ErrorKind::malformed,
                    "the Status of the command is longer than " + std::to_string(kMaxStatus) + " bytes");
    }
    status_ += bytes;
    // Servers send it as one message, but nothing says that they must.
    if (piece.ends && !status_.empty()) {
        const auto status = parse_json(status_);
        done_ = status && status->is_object();
    }
    return {};
}

void RemoteCommandDecoder::keep(std::string& where, std::string_view bytes) {
    const std::size_t room = max_output_ - where.size();
    if (bytes.size() > room) result_.output_cut = true;
    where += bytes.substr(0, room);
}

Result<ExecResult> RemoteCommandDecoder::finish() && {
    // client-go takes this for a success; a command that nobody saw end has not ended.
    if (status_.empty()) {
        return fail(ErrorKind::transport, "closed without saying how the command ended, which may still be running");
    }
    const auto status = parse_json(status_);
    if (!status || !status->is_object()) return unusable("cannot be read", status_);
    const std::string verdict = string_at(*status, {"status"});
    if (verdict == "Success") return std::move(result_);
    if (verdict != "Failure") return unusable("is neither Success nor Failure", status_);
    if (string_at(*status, {"reason"}) == "NonZeroExitCode") {
        const auto code = exit_code_of(*status);
        if (!code) return unusable("has no exit code from 1 to 255", status_);
        result_.exit_code = *code;
        return std::move(result_);
    }
    // kube-apiserver leaves out here what kind of object it is.
    nlohmann::json named = *status;
    named["kind"] = "Status";
    if (string_at(named, {"message"}).empty()) named["message"] = "the server does not say why";
    Error error = error_from_status_object(dump_json(named));
    return std::unexpected(std::move(error));
}

bool is_missing_program(const Error& error) {
    static constexpr std::array<std::string_view, 4> kWords = {
        "executable file not found",           // runc, by the PATH; youki
        "executable file `",                   // crun: "executable file `sh` not found in $PATH"
        "attempted to invoke a command that",  // conmon
        "error finding executable",            // gVisor
    };
    if (contains_any(error.message, kWords)) return true;
    // runc names the program, then why not: exec: "/bin/sh": stat /bin/sh: no such file or directory
    static constexpr std::array<std::string_view, 3> kWhyNot = {"no such file or directory", "permission denied",
                                                                "is a directory"};
    const auto named = error.message.find("exec: \"");
    return named != std::string::npos && contains_any(std::string_view(error.message).substr(named), kWhyNot);
}

bool is_container_not_running(const Error& error) {
    static constexpr std::array<std::string_view, 5> kWords = {
        "container not found (",                // kubelet
        "container is in CONTAINER_",           // containerd, with EXITED, CREATED or UNKNOWN
        "container is not created or running",  // CRI-O
        "cannot exec in a stopped",             // runc
        "cannot exec in a deleted",             // containerd's shim
    };
    return contains_any(error.message, kWords);
}

}  // namespace kube
