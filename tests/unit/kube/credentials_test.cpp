#include "kube/client/credentials.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;

Result<std::string> no_file(const std::string& path) {
    return fail(ErrorKind::config, "cannot read " + path);
}

/// "Name: value" of every header, in order.
asio::awaitable<void> expect_headers(Config config, std::vector<std::string> expected,
                                     std::function<Result<std::string>(const std::string&)> read_file = no_file) {
    test::ManualClock clock;
    const auto credentials = make_credentials(clock, config, std::move(read_file), nullptr);
    const auto headers = co_await credentials->headers({});
    EXPECT_TRUE(headers);
    std::vector<std::string> lines;
    for (const auto& [name, value] : headers->fields()) lines.push_back(name + ": " + value);
    EXPECT_EQ(lines, expected);
}

TEST(Credentials, NobodyIsAnonymous) {
    test::run_coro(expect_headers(Config(), {}));
}

TEST(Credentials, ATokenBeatsBasicAuthentication) {
    Config config;
    config.username = "Aladdin";
    config.password = "open sesame";
    test::run_coro(expect_headers(config, {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}));
    config.token = "t";
    test::run_coro(expect_headers(config, {"Authorization: Bearer t"}));
}

TEST(Credentials, TheTokenFilesContentBeatsTheToken) {
    Config config;
    config.token = "inline";
    config.token_file = "/token";
    test::run_coro(expect_headers(config, {"Authorization: Bearer /token!"},
                                  [](const std::string& path) { return Result<std::string>(" " + path + "!\n"); }));
    test::run_coro(expect_headers(config, {"Authorization: Bearer inline"}));
}

TEST(Credentials, ImpersonationIsSentAsHeaders) {
    Config config;
    config.token = "t";
    config.impersonate.user = "jane";
    config.impersonate.uid = "7";
    config.impersonate.groups = {"a", "b"};
    config.impersonate.extra = {{"acme.com/project", {"x", "y"}}, {"50%", {"z"}}};
    test::run_coro(expect_headers(
        config, {"Impersonate-User: jane", "Impersonate-Uid: 7", "Impersonate-Group: a", "Impersonate-Group: b",
                 "Impersonate-Extra-acme.com%2Fproject: x", "Impersonate-Extra-acme.com%2Fproject: y",
                 "Impersonate-Extra-50%25: z", "Authorization: Bearer t"}));
}

}  // namespace
}  // namespace kube
