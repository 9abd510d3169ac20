#include "kube/base/log.hpp"

#include "kube/base/json.hpp"
#include "kube/base/line_writer.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <unistd.h>

namespace kube {
namespace {

/// What `write_lines` logs, in JSON.
template <class Lines>
std::string logged(Lines write_lines) {
    log::configure(log::Format::json, log::Level::info);
    testing::internal::CaptureStderr();
    write_lines();
    std::string text = testing::internal::GetCapturedStderr();
    log::configure(log::Format::text, log::Level::info);
    return text;
}

TEST(Log, AJsonLineHasTimeLevelLoggerAndMessage) {
    const std::string text = logged([] { log::warn("reflector", "relisting", {{"count", 3}, {"why", "gone"}}); });
    const auto line = parse_json(text);
    ASSERT_TRUE(line) << text;
    EXPECT_EQ((*line)["level"], "warn");
    EXPECT_EQ((*line)["logger"], "reflector");
    EXPECT_EQ((*line)["msg"], "relisting");
    EXPECT_EQ((*line)["count"], 3);
    EXPECT_EQ((*line)["why"], "gone");
    EXPECT_EQ((*line)["ts"].get<std::string>().size(), std::string("2026-01-02T03:04:05.000000Z").size());
    EXPECT_EQ(logged([] { log::debug("x", "not enabled"); }), "");
}

TEST(Log, TextOfUsersCannotForgeFieldsOrLines) {
    for (const std::string& evil :
         {std::string("a\"},{\"level\":\"error"), std::string("two\nlines\r\n"), std::string("nul\0byte", 8),
          std::string("bad \xff\xc0\x80 utf-8"), std::string("\x1b[2J\x7f"), std::string("\xe2\x82"),
          std::string("%v %d {} \\u0000")}) {
        const std::string text = logged([&] { log::info("x", "said", {{"reason", evil}}); });
        EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
        const auto line = parse_json(text);
        ASSERT_TRUE(line) << text;
        EXPECT_EQ(line->size(), 5U) << text;
        EXPECT_EQ((*line)["level"], "info");
        EXPECT_FALSE(text.contains('\x1b'));
    }
    const std::string text = logged([] { log::info("x", "said", {{"reason", "d\xc3\xa9j\xc3\xa0 \"vu\"\n"}}); });
    EXPECT_EQ((*parse_json(text))["reason"], "d\xc3\xa9j\xc3\xa0 \"vu\"\n") << "and what is fine arrives as it was";
}

/// A pipe that nobody reads yet.
struct Pipe {
    Pipe() {
        EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
        fcntl(ends[0], F_SETPIPE_SZ, 16384);
    }
    ~Pipe() {
        for (const int end : ends) close(end);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    std::string drain() const {
        std::string text(1 << 20, '\0');
        const ssize_t count = read(ends[0], text.data(), text.size());
        text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return text;
    }
    std::array<int, 2> ends{};
};

std::string notice(std::uint64_t dropped) {
    return "missing " + std::to_string(dropped);
}

TEST(LineWriter, AFullPipeStopsNobodyAndWhatIsMissingIsTold) {
    const Pipe pipe;
    LineWriter writer(pipe.ends[1], notice, std::chrono::milliseconds(20));
    const std::string line(1000, 'x');
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 10000; ++i) writer.write(line);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "it waits once, not for each line";
    const std::uint64_t dropped = writer.dropped();
    EXPECT_GT(dropped, 9900U);
    EXPECT_TRUE(pipe.drain().starts_with(line + "\n"));
    writer.write("after");
    EXPECT_TRUE(pipe.drain().ends_with("missing " + std::to_string(dropped) + "\nafter\n"));
    EXPECT_EQ(writer.dropped(), 0U);
}

TEST(LineWriter, ALineThatWasGivenUpInItsMiddleDoesNotSwallowTheNext) {
    const Pipe pipe;
    LineWriter writer(pipe.ends[1], notice, std::chrono::milliseconds(20));
    writer.write(std::string(100000, 'x'));
    EXPECT_EQ(writer.dropped(), 1U);
    pipe.drain();
    writer.write("after");
    EXPECT_EQ(pipe.drain(), "\nmissing 1\nafter\n");
}

}  // namespace
}  // namespace kube
