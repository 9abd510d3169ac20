#include "controller/image_pattern.hpp"

#include "controller/name_glob.hpp"

#include <gtest/gtest.h>

#include <string>

namespace endoscope::controller {
namespace {

using Use = ImagePattern::Use;

const std::string kOne = "@sha256:" + std::string(64, '1');
const std::string kTwo = "@sha256:" + std::string(64, '2');

bool matches(const std::string& pattern, const std::string& image, Use use = Use::allow) {
    const auto parsed = ImagePattern::parse(pattern);
    const auto reference = parse_image_reference(image);
    EXPECT_TRUE(parsed) << pattern << ": " << (parsed ? "" : parsed.error());
    EXPECT_TRUE(reference) << image;
    return parsed && reference && parsed->matches(*reference, use);
}

struct Row {
    std::string pattern;
    std::string image;
    bool expected;
};

TEST(ImagePattern, HostAndPath) {
    const Row rows[] = {
        // No host is Docker Hub, one segment is an official image.
        {"busybox", "busybox", true},
        {"busybox", "docker.io/library/busybox:1.36", true},
        {"busybox", "index.docker.io/busybox", true},
        {"busybox", "registry-1.docker.io/library/busybox", false},
        {"busybox", "docker.io:443/library/busybox", false},
        {"busybox", "ghcr.io/busybox", false},
        {"busybox", "evil/busybox", false},
        {"busybox", "busybox2", false},
        {"index.docker.io/busybox", "busybox", true},
        {"DOCKER.IO/busybox", "busybox", true},
        {"docker.io/busybox", "library/busybox", true},
        {"*", "busybox", true},
        {"*", "evil/busybox", false},
        {"*/*", "evil/busybox", true},
        {"*/*", "ghcr.io/evil/busybox", false},
        {"docker.io/*", "busybox", true},
        {"docker.io/*", "evil/busybox", false},
        {"docker.io/**", "busybox", true},
        {"docker.io/**", "a/b/c", true},
        {"docker.io/**", "quay.io/a", false},
        // Hosts are exact.
        {"ghcr.io/acme/**", "ghcr.io/acme/x", true},
        {"ghcr.io/acme/**", "GHCR.IO/acme/x", true},
        {"GHCR.io/acme/**", "ghcr.io/acme/x", true},
        {"ghcr.io/acme/**", "ghcr.io/acme/x/y/z", true},
        {"ghcr.io/acme/**", "ghcr.io/acme", false},
        {"ghcr.io/acme/**", "ghcr.io/acme-evil/x", false},
        {"ghcr.io/acme/**", "ghcr.io.evil.com/acme/x", false},
        {"ghcr.io/acme/**", "ghcr.io:443/acme/x", false},
        {"ghcr.io/acme/**", "evil.com/ghcr.io/acme/x", false},
        {"ghcr.io/acme/**", "acme/x", false},
        {"localhost:5000/**", "localhost:5000/x", true},
        {"localhost:5000/**", "localhost/x", false},
        {"localhost/**", "localhost/x", true},
        {"[::1]:5000/**", "[::1]:5000/a", true},
        // `*` stays in its segment.
        {"ghcr.io/acme/*", "ghcr.io/acme/x", true},
        {"ghcr.io/acme/*", "ghcr.io/acme/x/y", false},
        {"ghcr.io/acme/debug-*", "ghcr.io/acme/debug-tools", true},
        {"ghcr.io/acme/debug-*", "ghcr.io/acme/debug-a/b", false},
        {"ghcr.io/acme/*-tools", "ghcr.io/acme/debug-tools", true},
        {"ghcr.io/*c*e/x", "ghcr.io/acme/x", true},
        {"ghcr.io/a*/x", "ghcr.io/a/x", true},
        {"ghcr.io/*/x", "ghcr.io/x", false},
        // `**` stands for any number of whole segments, none too when it is not last.
        {"ghcr.io/**", "ghcr.io/x", true},
        {"ghcr.io/**/x", "ghcr.io/x", true},
        {"ghcr.io/**/x", "ghcr.io/a/b/x", true},
        {"ghcr.io/**/x", "ghcr.io/a/b/xx", false},
        {"ghcr.io/a/**/b", "ghcr.io/a/b", true},
        {"ghcr.io/a/**/b", "ghcr.io/a/x/y/b", true},
        {"ghcr.io/a/**/b", "ghcr.io/ab", false},
        {"ghcr.io/a/**/b/**", "ghcr.io/a/b", false},
        {"ghcr.io/a/**/b/**", "ghcr.io/a/b/b", true},
        {"ghcr.io/a/**/b/*/c", "ghcr.io/a/b/b/x/c", true},
        {"ghcr.io/**/**", "ghcr.io/x", true},
        {"docker.io/**/x", "x", true},
        // `**` alone is every image.
        {"**", "busybox", true},
        {"**", "ghcr.io/a/b" + kOne, true},
        {"**:latest", "ghcr.io/a/b", true},
        {"**:latest", "ghcr.io/a/b:1", false},
        {"**" + kOne, "ghcr.io/a/b" + kOne, true},
        {"**" + kOne, "ghcr.io/a/b" + kTwo, false},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(matches(row.pattern, row.image), row.expected) << row.pattern << " on " << row.image;
        EXPECT_EQ(matches(row.pattern, row.image, Use::deny), row.expected) << row.pattern << " on " << row.image;
    }
}

struct TagRow {
    std::string pattern;
    std::string image;
    bool allows;
    bool denies;
};

TEST(ImagePattern, TagAndDigest) {
    const TagRow rows[] = {
        // Neither in the pattern: any.
        {"busybox", "busybox:1", true, true},
        {"busybox", "busybox" + kOne, true, true},
        {"busybox", "busybox:1" + kOne, true, true},
        // Tags by glob.
        {"busybox:1.*", "busybox:1.36", true, true},
        {"busybox:1.*", "busybox:1.", true, true},
        {"busybox:1.*", "busybox:11", false, false},
        {"busybox:1.*", "busybox", false, false},
        {"busybox:*", "busybox", true, true},
        {"busybox:*-rc*", "busybox:1-rc2", true, true},
        {"busybox:latest", "busybox", true, true},
        {"busybox:latest", "busybox:LATEST", false, false},
        {"*:1.*", "docker.io/library/nginx:1.27", true, true},
        {"*:1.*", "acme/nginx:1.27", false, false},
        // A tag does not decide what a digest pulls: it never allows it, but it is enough to deny.
        {"busybox:1.36", "busybox:1.36" + kOne, false, true},
        {"busybox:*", "busybox:1.36" + kOne, false, true},
        {"**:latest", "ghcr.io/x:latest" + kOne, false, true},
        {"busybox:1.36", "busybox:1.37" + kOne, false, false},
        {"busybox:1.36", "busybox" + kOne, false, false},
        {"busybox:*", "busybox" + kOne, false, false},
        {"**:latest", "busybox" + kOne, false, false},
        // A digest alone looks at the digest only.
        {"busybox" + kOne, "busybox" + kOne, true, true},
        {"busybox" + kOne, "busybox:9" + kOne, true, true},
        {"busybox" + kOne, "busybox" + kTwo, false, false},
        {"busybox" + kOne, "busybox:9", false, false},
        {"busybox" + kOne, "nginx" + kOne, false, false},
        // Both want both.
        {"busybox:1.*" + kOne, "busybox:1.36" + kOne, true, true},
        {"busybox:1.*" + kOne, "busybox:2" + kOne, false, false},
        {"busybox:1.*" + kOne, "busybox:1.36" + kTwo, false, false},
        {"busybox:1.*" + kOne, "busybox" + kOne, false, false},
        {"busybox:1.*" + kOne, "busybox:1.36", false, false},
    };
    for (const TagRow& row : rows) {
        EXPECT_EQ(matches(row.pattern, row.image, Use::allow), row.allows) << row.pattern << " allows " << row.image;
        EXPECT_EQ(matches(row.pattern, row.image, Use::deny), row.denies) << row.pattern << " denies " << row.image;
    }
}

TEST(ImagePattern, Refused) {
    const std::string rows[] = {
        "",
        "**/x",
        "**/*",
        "**/**",
        "*.io/x",
        "*:5000/x",
        "gh*.io/x",
        "**.io/x",
        "Docker/x",
        "a_b.io/x",
        "ghcr.io/Acme/*",
        "ghcr.io/a**",
        "ghcr.io/**b/x",
        "ghcr.io/***",
        "ghcr.io/a//b",
        "ghcr.io/",
        "/x",
        "ghcr.io/*/",
        "x:",
        "x:-*",
        "x:a b",
        "x:*/y",
        "x@",
        "x@sha256:*",
        "x@sha256:" + std::string(63, '1'),
        "x@sha1:" + std::string(40, '1'),
        "x?",
        "x[ab]",
        "{a,b}",
        "^x$",
        " x",
        "x ",
        "x\n",
        "-*",
        "*-",
        "*..*",
        "a___*",
        std::string(64, 'a'),
        "ghcr.io/" + std::string(256, 'a'),
        "x:" + std::string(129, 'a'),
        "https://ghcr.io/**",
        "!x",
    };
    for (const std::string& row : rows) {
        const auto pattern = ImagePattern::parse(row);
        EXPECT_FALSE(pattern) << row;
    }
}

TEST(ImagePattern, KeepsItsText) {
    EXPECT_EQ(ImagePattern::parse("GHCR.io/**:1.*")->text(), "GHCR.io/**:1.*");
}

TEST(NameGlob, Table) {
    struct GlobRow {
        const char* pattern;
        const char* text;
        bool expected;
    };
    const GlobRow rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "abc", true},
        {"a*", "a", true},
        {"a*", "ba", false},
        {"*a", "bca", true},
        {"*a", "ab", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "acb", false},
        {"prod-*", "prod-", true},
        {"prod-*", "prod", false},
        {"**", "x", true},
        {"a.c", "abc", false},
        {"*ab", "aab", true},
    };
    for (const GlobRow& row : rows)
        EXPECT_EQ(glob_matches(row.pattern, row.text), row.expected) << row.pattern << row.text;
}

TEST(NameGlob, HasNoExponentialCase) {
    const std::string pattern = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";
    EXPECT_FALSE(glob_matches(pattern, std::string(20000, 'a')));
}

}  // namespace
}  // namespace endoscope::controller
