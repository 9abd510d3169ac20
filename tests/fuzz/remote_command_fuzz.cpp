#include "kube/client/remote_command_decoder.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace endoscope::fuzz {
namespace {

constexpr std::size_t kMaxOutput = 64;

/// How it ends when each message comes in pieces of `size` bytes.
kube::Result<kube::ExecResult> decode(const std::vector<std::string_view>& messages, std::size_t size) {
    kube::RemoteCommandDecoder decoder(kMaxOutput);
    for (const std::string_view message : messages) {
        std::size_t at = 0;
        do {
            kube::WebSocketPiece piece;
            piece.bytes = message.substr(at, size);
            piece.begins = at == 0;
            at += piece.bytes.size();
            piece.ends = at == message.size();
            if (auto taken = decoder.feed(piece); !taken) return std::unexpected(std::move(taken.error()));
        } while (at < message.size());
    }
    return std::move(decoder).finish();
}

/// Lines, the first character of which is the channel as a digit; any other stands for itself.
std::vector<std::string> messages_of(std::string_view text) {
    std::vector<std::string> messages(1);
    for (const char c : text) {
        if (c == '\n') {
            messages.emplace_back();
        } else {
            const bool digit = messages.back().empty() && c >= '0' && c <= '9';
            messages.back() += digit ? static_cast<char>(c - '0') : c;
        }
    }
    return messages;
}

bool is_status(std::string_view message) {
    return message.size() > 1 && message.front() == '\3';
}

}  // namespace
}  // namespace endoscope::fuzz

/// The first byte says how the messages are cut.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    if (size < 1) return 0;
    const auto texts = messages_of(text_of(data + 1, size - 1));
    const std::vector<std::string_view> messages(texts.begin(), texts.end());
    const auto whole = decode(messages, size + 1);
    const auto cut = decode(messages, data[0] % 16U + 1);
    require(whole.has_value() == cut.has_value(), "the result does not depend on the pieces");
    if (!whole) {
        require(whole.error().message == cut.error().message, "nor does the error");
        require(!whole.error().message.empty(), "there is a message");
        return 0;
    }
    require(whole->output == cut->output && whole->error_output == cut->error_output, "nor does the output");
    require(whole->exit_code == cut->exit_code && whole->output_cut == cut->output_cut, "nor does the rest");
    require(whole->output.size() <= kMaxOutput && whole->error_output.size() <= kMaxOutput, "output is bounded");
    require(whole->exit_code >= 0 && whole->exit_code <= 255, "an exit code is one");
    require(std::ranges::any_of(messages, is_status), "nothing ends without a status");
    return 0;
}
