#include "kube/client/remote_command_decoder.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace kube {
namespace {

const std::string kSuccess = R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"})";

std::string exit_code(const std::string& code) {
    return R"({"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with non-zero exit code",)"
           R"("details":{"causes":[{"reason":"Other","message":"7"},{"reason":"ExitCode","message":")" +
           code + R"("}]}})";
}

std::string message(char channel, const std::string& bytes) {
    return channel + bytes;
}

std::string out(const std::string& bytes) {
    return message('\1', bytes);
}

std::string status(const std::string& json) {
    return message('\3', json);
}

/// What `messages` mean when each comes in pieces of `size` bytes; an empty one is one empty piece.
Result<ExecResult> decode(const std::vector<std::string>& messages, std::size_t size, std::size_t max_output = 1000) {
    RemoteCommandDecoder decoder(max_output);
    for (const std::string& text : messages) {
        const std::string_view bytes = text;
        std::size_t at = 0;
        do {
            WebSocketPiece piece;
            piece.bytes = bytes.substr(at, size);
            piece.begins = at == 0;
            at += piece.bytes.size();
            piece.ends = at == bytes.size();
            if (auto taken = decoder.feed(piece); !taken) return std::unexpected(std::move(taken.error()));
        } while (at < bytes.size());
    }
    return std::move(decoder).finish();
}

struct Case {
    std::string name;
    std::vector<std::string> messages;
    std::string output;
    std::string error_output;
    int exit_code = 0;
    bool cut = false;
};

TEST(RemoteCommandDecoder, MessagesInAnyPiecesGiveTheSameResult) {
    const std::vector<Case> cases = {
        {"nothing but success", {status(kSuccess)}, "", ""},
        {"output", {out("a\n"), message('\2', "b"), out("c"), status(kSuccess)}, "a\nc", "b"},
        {"empty messages", {"", out(""), out("x"), "", status(""), status(kSuccess)}, "x", ""},
        {"unknown channels",
         {message('\0', "in"), message('\4', "{}"), "\xff\x01", "\xff", out("x"), status(kSuccess)},
         "x",
         ""},
        {"bytes, not text",
         {out(std::string("\xff\xfe\0\x80", 4)), status(kSuccess)},
         std::string("\xff\xfe\0\x80", 4),
         ""},
        {"a status in two messages", {status(kSuccess.substr(0, 9)), out("x"), status(kSuccess.substr(9))}, "x", ""},
        {"what follows the status is ignored", {out("x"), status(kSuccess), out("y"), status("no")}, "x", ""},
        {"the least exit code", {status(exit_code("1"))}, "", "", 1},
        {"the greatest", {out("x"), status(exit_code("255"))}, "x", "", 255},
        {"exactly the limit", {out(std::string(1000, 'x')), status(kSuccess)}, std::string(1000, 'x'), ""},
        {"more",
         {out(std::string(999, 'x')), out("yz"), out("z"), status(kSuccess)},
         std::string(999, 'x') + "y",
         "",
         0,
         true},
        {"more on the other",
         {message('\2', std::string(1001, 'x')), out("y"), status(kSuccess)},
         "y",
         std::string(1000, 'x'),
         0,
         true},
    };
    for (const Case& c : cases) {
        for (const std::size_t size : {1U, 2U, 7U, 10'000U}) {
            SCOPED_TRACE(c.name + " in pieces of " + std::to_string(size));
            const auto result = decode(c.messages, size);
            ASSERT_TRUE(result) << result.error().message;
            EXPECT_EQ(result->output, c.output);
            EXPECT_EQ(result->error_output, c.error_output);
            EXPECT_EQ(result->exit_code, c.exit_code);
            EXPECT_EQ(result->output_cut, c.cut);
        }
    }
}

struct Failure {
    std::string name;
    std::vector<std::string> messages;
    ErrorKind kind;
    std::string says;
};

TEST(RemoteCommandDecoder, WhatIsNoExitCodeIsAnError) {
    const std::vector<Failure> cases = {
        {"nothing", {}, ErrorKind::transport, "without saying how"},
        {"output and no status", {out("done\n")}, ErrorKind::transport, "may still be running"},
        {"an empty status", {out("done\n"), status("")}, ErrorKind::transport, "without saying how"},
        {"half a status", {status(kSuccess.substr(0, 20))}, ErrorKind::malformed, "cannot be read"},
        {"text of an older protocol", {status("Success")}, ErrorKind::malformed, "cannot be read: Success"},
        {"no object", {status("[]")}, ErrorKind::malformed, "cannot be read"},
        {"invalid UTF-8", {status("{\"status\":\"Succ\xff\"}")}, ErrorKind::malformed, "cannot be read"},
        {"no verdict", {status("{}")}, ErrorKind::malformed, "neither Success nor Failure"},
        {"another verdict", {status(R"({"status":"Unknown"})")}, ErrorKind::malformed, "neither"},
        {"a verdict of another type", {status(R"({"status":true})")}, ErrorKind::malformed, "neither"},
        {"no details",
         {status(R"({"status":"Failure","reason":"NonZeroExitCode"})")},
         ErrorKind::malformed,
         "no exit code"},
        {"no causes",
         {status(R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":null}})")},
         ErrorKind::malformed,
         "no exit code"},
        {"another cause",
         {status(
             R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"X","message":"1"}]}})")},
         ErrorKind::malformed,
         "no exit code"},
        {"code 0", {status(exit_code("0"))}, ErrorKind::malformed, "no exit code"},
        {"code 256", {status(exit_code("256"))}, ErrorKind::malformed, "no exit code"},
        {"code -1", {status(exit_code("-1"))}, ErrorKind::malformed, "no exit code"},
        {"code 1x", {status(exit_code("1x"))}, ErrorKind::malformed, "no exit code"},
        {"code ''", {status(exit_code(""))}, ErrorKind::malformed, "no exit code"},
        {"a failure of the runtime",
         {status(
             R"({"status":"Failure","reason":"InternalError","code":500,"message":"Internal error occurred: boom"})")},
         ErrorKind::server,
         "Internal error occurred: boom"},
        {"a refusal behind the upgrade",
         {status(R"({"kind":"Status","status":"Failure","reason":"NotFound","code":404,"message":"gone"})")},
         ErrorKind::not_found,
         "gone"},
        {"a failure without a word", {status(R"({"status":"Failure"})")}, ErrorKind::server, "does not say why"},
        {"too long",
         {status("{\"a\":\"" + std::string(RemoteCommandDecoder::kMaxStatus, 'x'))},
         ErrorKind::malformed,
         "longer than 65536"},
    };
    for (const Failure& c : cases) {
        for (const std::size_t size : {1U, 10'000U}) {
            SCOPED_TRACE(c.name + " in pieces of " + std::to_string(size));
            const auto result = decode(c.messages, size);
            ASSERT_FALSE(result);
            EXPECT_EQ(result.error().kind, c.kind) << result.error().message;
            EXPECT_TRUE(result.error().message.contains(c.says)) << result.error().message;
        }
    }
}

TEST(RemoteCommandDecoder, AFailureKeepsTheServersWords) {
    const auto result =
        decode({status(R"({"metadata":{},"status":"Failure","message":"Internal error occurred: boom",)"
                       R"("reason":"InternalError","details":{"causes":[{"message":"boom"}]},"code":500})")},
               100);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::server);
    EXPECT_EQ(result.error().message, "Internal error occurred: boom");
    EXPECT_EQ(result.error().reason, "InternalError");
    EXPECT_EQ(result.error().http_status, 500);
    ASSERT_EQ(result.error().causes.size(), 1U);
    EXPECT_EQ(result.error().causes[0].message, "boom");
}

TEST(RemoteCommandDecoder, TextMessagesAreRefused) {
    RemoteCommandDecoder decoder(10);
    WebSocketPiece piece;
    piece.bytes = "\1x";
    piece.binary = false;
    const auto taken = decoder.feed(piece);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().kind, ErrorKind::malformed);
}

struct Words {
    std::string message;
    bool missing_program;
    bool not_running;
};

Error error_of(const std::string& message) {
    return fail(ErrorKind::server, message).error();
}

const std::string kExecFailed =
    "Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "
    "\"0f\": OCI runtime exec failed: exec failed: unable to start container process: ";

TEST(RemoteCommandDecoder, AMissingProgramIsKnownByTheWordsOfTheRuntimes) {
    for (const std::string& message : {
             kExecFailed + R"(exec: "sh": executable file not found in $PATH: unknown)",
             kExecFailed + R"(exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown)",
             kExecFailed + R"(exec: "/bin/sh": permission denied: unknown)",
             kExecFailed + R"(exec: "/etc": is a directory: unknown)",
             std::string(
                 "crun: executable file `sh` not found in $PATH: No such file or directory: OCI runtime attempted to "
                 "invoke a command that was not found"),
         }) {
        EXPECT_TRUE(is_missing_program(error_of(message))) << message;
        EXPECT_FALSE(is_container_not_running(error_of(message))) << message;
    }
    for (const std::string& message :
         {kExecFailed + "error executing setns process: exit status 1", kExecFailed + "permission denied",
          std::string("pods \"sh\" not found"), std::string()}) {
        EXPECT_FALSE(is_missing_program(error_of(message))) << message;
    }
}

TEST(RemoteCommandDecoder, AContainerThatDoesNotRunIsKnownByTheWords) {
    for (
        const std::string message : {
            R"(unable to upgrade connection: container not found ("dbg-x"))",
            R"(Internal error occurred: error executing command in container: failed to exec in container: container is in CONTAINER_EXITED state)",
            R"(OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown)",
            R"(the upgrade to WebSocket was refused with HTTP 500: container not found (\"dbg-x\"))",
            R"(container is not created or running)",
        }) {
        EXPECT_TRUE(is_container_not_running(error_of(message))) << message;
        EXPECT_FALSE(is_missing_program(error_of(message))) << message;
    }
    for (const std::string message :
         {"etcd leader is not running well", "pods \"web-0\" not found", "connection refused"}) {
        EXPECT_FALSE(is_container_not_running(error_of(message))) << message;
    }
}

}  // namespace
}  // namespace kube
