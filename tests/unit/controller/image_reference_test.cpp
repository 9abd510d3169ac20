// The tables are those of the field, re-typed as facts: distribution/reference (reference_test.go, normalize_test.go),
// kubernetes (pkg/util/parsers), and the references with which allow lists are attacked.

#include "controller/image_reference.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

namespace endoscope::controller {
namespace {

using namespace std::string_literals;

const std::string kHex64(64, 'f');
const std::string kHex96(96, 'f');
const std::string kHex128(128, 'f');
const std::string kSha256 = "sha256:" + kHex64;

std::string repeat(std::string_view text, int times) {
    std::string result;
    for (int i = 0; i < times; ++i) result += text;
    return result;
}

struct Good {
    std::string input;
    std::string host;
    std::string path;
    std::string tag = "latest";
    std::string digest = "";
};

void expect_good(const Good& row) {
    const auto reference = parse_image_reference(row.input);
    ASSERT_TRUE(reference) << row.input << ": " << reference.error();
    EXPECT_EQ(reference->host, row.host) << row.input;
    EXPECT_EQ(reference->path, row.path) << row.input;
    EXPECT_EQ(reference->tag, row.tag) << row.input;
    EXPECT_EQ(reference->digest, row.digest) << row.input;
    const auto again = parse_image_reference(reference->canonical());
    ASSERT_TRUE(again) << reference->canonical();
    EXPECT_EQ(*again, *reference);
}

TEST(ImageReference, UpstreamReferenceRows) {
    const Good rows[] = {
        {"test_com", "docker.io", "library/test_com"},
        {"test.com:tag", "docker.io", "library/test.com", "tag"},
        {"test.com:5000", "docker.io", "library/test.com", "5000"},
        {"test.com/repo:tag", "test.com", "repo", "tag"},
        {"test:5000/repo", "test:5000", "repo"},
        {"test:5000/repo:tag", "test:5000", "repo", "tag"},
        {"test:5000/repo@" + kSha256, "test:5000", "repo", "", kSha256},
        {"test:5000/repo:tag@" + kSha256, "test:5000", "repo", "tag", kSha256},
        {"lowercase:Uppercase", "docker.io", "library/lowercase", "Uppercase"},
        {repeat("a/", 127) + "a:tag-puts-this-over-max", "docker.io", repeat("a/", 127) + "a",
         "tag-puts-this-over-max"},
        {"sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux"},
        {"sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag"},
        {"b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io", "test.example.com/my-app",
         "test.example.com"},
        {"xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com"},
        {"xn--7o8h.com/myimage:t@sha512:" + kHex128, "xn--7o8h.com", "myimage", "t", "sha512:" + kHex128},
        {"xn--7o8h.com/myimage@sha384:" + kHex96, "xn--7o8h.com", "myimage", "", "sha384:" + kHex96},
        {"foo_bar.com:8080", "docker.io", "library/foo_bar.com", "8080"},
        {"foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080"},
        {"192.168.1.1", "docker.io", "library/192.168.1.1"},
        {"192.168.1.1:tag", "docker.io", "library/192.168.1.1", "tag"},
        {"192.168.1.1:5000", "docker.io", "library/192.168.1.1", "5000"},
        {"192.168.1.1/repo", "192.168.1.1", "repo"},
        {"192.168.1.1:5000/repo", "192.168.1.1:5000", "repo"},
        {"192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050"},
        {"[2001:db8::1]/repo", "[2001:db8::1]", "repo"},
        {"[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]", "repo", "tag"},
        {"[2001:db8::1]:5000/repo", "[2001:db8::1]:5000", "repo"},
        {"[2001:db8::1]:5000/repo:tag@" + kSha256, "[2001:db8::1]:5000", "repo", "tag", kSha256},
        {"[2001:db8::]:5000/repo", "[2001:db8::]:5000", "repo"},
        {"[::1]:5000/repo", "[::1]:5000", "repo"},
        {"example.com/" + std::string(255, 'a') + ":tag", "example.com", std::string(255, 'a'), "tag"},
    };
    for (const Good& row : rows) expect_good(row);
}

TEST(ImageReference, UpstreamNormalisationRows) {
    const std::string hex = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";
    const Good rows[] = {
        {"docker/docker", "docker.io", "docker/docker"},
        {"library/debian", "docker.io", "library/debian"},
        {"debian", "docker.io", "library/debian"},
        {"localhost/library/debian", "localhost", "library/debian"},
        {"localhost/debian", "localhost", "debian"},
        {"docker.io/docker/docker", "docker.io", "docker/docker"},
        {"docker.io/library/debian", "docker.io", "library/debian"},
        {"docker.io/debian", "docker.io", "library/debian"},
        {"index.docker.io/docker/docker", "docker.io", "docker/docker"},
        {"index.docker.io/debian", "docker.io", "library/debian"},
        {"127.0.0.1:5000/debian", "127.0.0.1:5000", "debian"},
        {"192.168.0.1:8/debian", "192.168.0.1:8", "debian"},
        {"[fc00:1:2:3:4:5:6:7]:5000/library/debian", "[fc00:1:2:3:4:5:6:7]:5000", "library/debian"},
        {"docker.io/" + hex, "docker.io", "library/" + hex},
        {hex + ":tag", "docker.io", "library/" + hex, "tag"},
        {"docker-rules/docker", "docker.io", "docker-rules/docker"},
        {"docker---rules/docker", "docker.io", "docker---rules/docker"},
        {"dock__er/docker", "docker.io", "dock__er/docker"},
        {"library/foo/bar", "docker.io", "library/foo/bar"},
        {"example.com:8000/privatebasee", "example.com:8000", "privatebasee"},
        {"thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev", "docker.io",
         "library/thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev"},
        {"user/repo:tag", "docker.io", "user/repo", "tag"},
        {"url:5000/repo:latest@" + kSha256, "url:5000", "repo", "latest", kSha256},
    };
    for (const Good& row : rows) expect_good(row);
}

TEST(ImageReference, SpellingsThatAttackAllowLists) {
    const Good rows[] = {
        {"nginx", "docker.io", "library/nginx"},
        {"docker.io/library/nginx", "docker.io", "library/nginx"},
        {"index.docker.io/nginx", "docker.io", "library/nginx"},
        {"Docker.IO/nginx", "docker.io", "library/nginx"},
        {"INDEX.docker.io/nginx", "docker.io", "library/nginx"},
        // No aliases, whatever answers there.
        {"registry-1.docker.io/library/nginx", "registry-1.docker.io", "library/nginx"},
        {"docker.io:443/nginx", "docker.io:443", "nginx"},
        {"GHCR.IO/x", "ghcr.io", "x"},
        {"Foo:5000/x", "foo:5000", "x"},
        {"[2001:DB8::1]/x", "[2001:db8::1]", "x"},
        {"LOCALHOST:5000/x", "localhost:5000", "x"},
        {"localhost:5000", "docker.io", "library/localhost", "5000"},
        {"localhost:5000/x", "localhost:5000", "x"},
        {"ghcr.io/acme-evil/x", "ghcr.io", "acme-evil/x"},
        {"ghcr.io.evil.com/acme", "ghcr.io.evil.com", "acme"},
        {"good:1@" + kSha256, "docker.io", "library/good", "1", kSha256},
        {std::string(247, 'a'), "docker.io", "library/" + std::string(247, 'a')},
        {"a:" + std::string(128, 'T'), "docker.io", "library/a", std::string(128, 'T')},
        {"example.com:00443/a", "example.com:00443", "a"},
    };
    for (const Good& row : rows) expect_good(row);
}

TEST(ImageReference, Refused) {
    const std::string rows[] = {
        "",
        ":justtag",
        "@" + kSha256,
        "repo@sha256:" + std::string(34, 'f'),
        "validname@invaliddigest:" + kHex128,
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "domain/" + std::string(256, 'a') + ":tag",
        "aa/asdf$$^/aa",
        "[2001:db8::1]",
        "[2001:db8::1]:5000",
        "[2001:db8::1]:tag",
        "[fe80::1%eth0]:5000/repo",
        "[fe80::1%@invalidzone]:5000/repo",
        "https://github.com/docker/docker",
        "docker/Docker",
        "-docker",
        "-docker/docker",
        "-docker.io/docker/docker",
        "docker///docker",
        "docker.io/docker/Docker",
        "docker.io/docker///docker",
        "[fc00::1]",
        "[fc00::1]:5000",
        "fc00::1:5000/debian",
        "[2001:db8:3:4::192.0.2.33]:5000/debian",
        "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a",
        "docker-/docker",
        "-docker-/docker",
        "____/____",
        "_docker/_docker",
        "dock..er/docker",
        "dock_.er/docker",
        "dock-.er/docker",
        "docker/",
        "ROOT",
        "http://root",
        // Hosts for their capitals alone, and hosts that are none: upstream lets these two kinds pass.
        "Docker/docker",
        "DOCKER/docker",
        "LOCALDOMAIN/debian",
        "LOCALHOST/x",
        "[ABCD]/x",
        "foo_bar.com/x",
        "a__b.c/x",
        // Attacks.
        "ghcr.io./x",
        ".ghcr.io/x",
        "ghcr..io/x",
        "ghcr.io/",
        "/x",
        "//x",
        " nginx",
        "nginx ",
        "ng inx",
        "nginx\n",
        "nginx\r",
        "nginx\0"s,
        "nginx\t",
        "\u200bnginx",
        "nginx\u202e",
        "ng\u0456nx",  // a Cyrillic letter
        "nginx\xff",
        "nginx:",
        "nginx:-x",
        "nginx:.x",
        "nginx:a/b",
        "nginx:a:b",
        "nginx:" + std::string(129, 'a'),
        "nginx@",
        "nginx@sha256",
        "nginx@sha256:",
        "nginx@" + kSha256 + "f",
        "nginx@SHA256:" + kHex64,
        "nginx@sha256:" + std::string(64, 'F'),
        "nginx@sha512:" + kHex64,
        "nginx@sha1:" + std::string(40, 'f'),
        "nginx@md5:" + std::string(32, 'f'),
        "nginx@" + kSha256 + "@" + kSha256,
        "nginx@" + kSha256 + ":tag",
        "sha256+b64:x@y",
        "example.com:/x",
        "example.com:x/y",
        "[]/x",
        "[]:5000/x",
        "[::1/x",
        "[::1]5000/x",
        "a.b-/x",
        "a.-b/x",
        "a___b",
        "a_",
        "a.",
        "a-",
        "x*",
        "**",
        "x?",
        "%6eginx",
        std::string(248, 'a'),
        "ghcr.io/" + std::string(256, 'a'),
        "library/" + std::string(248, 'a'),
    };
    for (const std::string& row : rows) {
        const auto reference = parse_image_reference(row);
        EXPECT_FALSE(reference) << row;
        if (!reference) EXPECT_FALSE(reference.error().empty());
    }
}

TEST(ImageReference, CanonicalIsIdempotentForAnyInput) {
    std::mt19937 random(1);  // NOLINT(*-msc51-cpp): the same inputs every time.
    const std::string pieces[] = {"a",
                                  "B",
                                  "0",
                                  ".",
                                  ":",
                                  "/",
                                  "@",
                                  "_",
                                  "-",
                                  "docker.io/",
                                  "index.docker.io/",
                                  "library/",
                                  "localhost",
                                  "[::1]",
                                  ":5000/",
                                  "latest",
                                  "@" + kSha256,
                                  "**",
                                  "\0"s,
                                  "ä"};
    int valid = 0;
    for (int i = 0; i < 50000; ++i) {
        std::string text;
        for (auto n = random() % 7; n > 0; --n) text += pieces[random() % std::size(pieces)];
        const auto reference = parse_image_reference(text);
        if (!reference) continue;
        ++valid;
        const auto again = parse_image_reference(reference->canonical());
        ASSERT_TRUE(again) << text << " -> " << reference->canonical();
        ASSERT_EQ(*again, *reference) << text;
    }
    EXPECT_GT(valid, 1000);
}

TEST(ImageReference, LongInputTakesLinearTime) {
    for (const std::string& text : {std::string(1'000'000, 'a'), repeat("a/", 500'000), repeat("a-", 500'000),
                                    "a:" + std::string(1'000'000, 'a'), "a.b/" + repeat("-", 1'000'000)}) {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_FALSE(parse_image_reference(text));
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
    }
}

}  // namespace
}  // namespace endoscope::controller
