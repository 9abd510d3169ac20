#include "kube/net/proxy.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace kube {
namespace {

using Environment = std::map<std::string, std::string>;

std::string chosen(const Environment& environment, const std::string& host, unsigned short port = 443,
                   bool tls = true) {
    const auto proxy = proxy_from_environment(environment, tls, host, port);
    if (!proxy) return "error: " + proxy.error().message;
    return *proxy ? (*proxy)->describe() : "";
}

TEST(ProxyUrl, IsReadWithItsDefaults) {
    const auto http = parse_proxy("http://user:p%40ss@proxy.example");
    ASSERT_TRUE(http);
    EXPECT_EQ(http->kind, Proxy::Kind::http);
    EXPECT_EQ(http->port, 80);
    EXPECT_EQ(http->user, "user");
    EXPECT_EQ(http->password, "p@ss");
    EXPECT_EQ(http->url(), "http://user:p%40ss@proxy.example:80");
    EXPECT_EQ(parse_proxy("https://proxy.example")->describe(), "https://proxy.example:443");
    EXPECT_EQ(parse_proxy("SOCKS5://[::1]")->describe(), "socks5://[::1]:1080");
    EXPECT_EQ(parse_proxy("socks5h://p:9")->describe(), "socks5://p:9");
}

TEST(ProxyUrl, ErrorsNeverQuoteIt) {
    for (const char* url :
         {"ftp://u:hunter2@h", "http://u:hunter2@", "http://u:hunter2@h:70000", "u:hunter2@h:1", "hunter2: "}) {
        const auto proxy = parse_proxy(url);
        ASSERT_FALSE(proxy) << url;
        EXPECT_EQ(proxy.error().kind, ErrorKind::config);
        EXPECT_FALSE(proxy.error().message.contains("hunter2")) << proxy.error().message;
    }
}

TEST(ProxyEnvironment, TheSchemeOfTheServerChoosesTheVariable) {
    const Environment both = {{"HTTPS_PROXY", "http://secure:1"}, {"http_proxy", "plain:2"}};
    EXPECT_EQ(chosen(both, "api.example"), "http://secure:1");
    EXPECT_EQ(chosen(both, "api.example", 80, false), "http://plain:2");
    EXPECT_EQ(chosen({{"https_proxy", "low:1"}, {"HTTPS_PROXY", ""}}, "api.example"), "http://low:1");
    EXPECT_EQ(chosen({}, "api.example"), "");
    EXPECT_EQ(chosen({{"HTTPS_PROXY", "ftp://u:pw@h"}}, "api.example"),
              "error: HTTPS_PROXY has an unsupported scheme; it must be http, https or socks5");
}

TEST(ProxyEnvironment, LoopbackIsNeverProxied) {
    const Environment environment = {{"HTTPS_PROXY", "http://p:1"}};
    for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "::1"}) EXPECT_EQ(chosen(environment, host), "");
    EXPECT_EQ(chosen(environment, "localhost.example"), "http://p:1");
}

TEST(ProxyEnvironment, NoProxyFollowsGo) {
    struct Row {
        const char* no_proxy;
        const char* host;
        unsigned short port;
        bool proxied;
    };
    const std::vector<Row> rows = {
        {"*", "api.example", 443, false},
        {"example", "api.example", 443, false},
        {"api.example", "API.Example", 443, false},
        {"ample", "api.example", 443, true},
        {".example", "api.example", 443, false},
        {".api.example", "api.example", 443, true},
        {"*.example", "api.example", 443, false},
        {"*.api.example", "api.example", 443, true},
        {"example:443", "api.example", 443, false},
        {"example:6443", "api.example", 443, true},
        {" other , api.example ", "api.example", 443, false},
        {",,:443,", "api.example", 443, true},
        {"10.0.0.0/8", "10.96.0.1", 443, false},
        {"10.0.0.0/8", "11.96.0.1", 443, true},
        {"10.0.0.7/8", "10.96.0.1", 443, false},
        {"fd00::/8", "fd12::1", 443, false},
        {"fd00::/8", "fe12::1", 443, true},
        {"10.0.0.0/8", "fd12::1", 443, true},
        {"10.96.0.1", "10.96.0.1", 443, false},
        {"10.96.0.1:443", "10.96.0.1", 6443, true},
        {"[fd00::1]:443", "fd00::1", 443, false},
        {"fd00::1", "fd00::1", 443, false},
        {"10.0.0.0/40", "10.96.0.1", 443, true},
        {"96.0.1", "10.96.0.1", 443, true},
    };
    for (const auto& [no_proxy, host, port, proxied] : rows) {
        const Environment environment = {{"HTTPS_PROXY", "http://p:1"}, {"NO_PROXY", no_proxy}};
        EXPECT_EQ(chosen(environment, host, port), proxied ? "http://p:1" : "") << no_proxy << " for " << host;
    }
    EXPECT_EQ(chosen({{"HTTPS_PROXY", "p:1"}, {"no_proxy", "example"}}, "api.example"), "") << "lower case counts";
}

}  // namespace
}  // namespace kube
