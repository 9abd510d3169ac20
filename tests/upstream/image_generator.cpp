#include "tests/upstream/image_generator.hpp"

#include <iterator>
#include <string_view>
#include <utility>

namespace endoscope::test {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLowerHex = "0123456789abcdef";

std::string run_of(Dice& dice, std::string_view alphabet, std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += alphabet[dice.below(alphabet.size())];
    return text;
}

std::string word(Dice& dice) {
    return run_of(dice, "abcxyz019", 1 + dice.below(4));
}

std::string host(Dice& dice) {
    switch (dice.below(12)) {
        case 0:
            return std::string(dice.any_of({"docker.io", "index.docker.io", "Docker.IO", "INDEX.docker.io",
                                            "registry-1.docker.io", "docker.io.", ".docker.io", "docker.io:443"}));
        case 1:
            return std::string(dice.any_of(
                {"localhost", "LOCALHOST", "Localhost", "localhost.localdomain", "local-host", "local_host"}));
        case 2:
            return std::string(dice.any_of({"127.0.0.1", "192.168.1.1", "256.1.1.999", "1.2", "0101.com", "1"}));
        case 3:
            return std::string(dice.any_of({"[::1]", "[2001:db8::1]", "[2001:DB8::A]", "[fe80::1%eth0]", "[]", "[:]",
                                            "[::1", "::1]", "[::ffff:192.0.2.33]", "[g::1]", "[fd00123123123]"}));
        case 4:
            return std::string(dice.any_of({"xn--n3h.com", "-ab.com", "ab-.com", "ab.-com", "ab.com-", "a..b", "a_b.c",
                                            "a__b.example", "a-b.c-d", "b.gcr.io", "EXAMPLE.com", "ExAmPle.COM"}));
        case 5:
            return std::string(
                dice.any_of({"Docker", "FOO", "a", "acme", "A.b", "\xc3\x89.com", "\xc3\xa9.com", "*.io"}));
        default:
            return word(dice) + (dice.one_in(3) ? "-" : "") + word(dice) + "." + word(dice);
    }
}

std::string port(Dice& dice) {
    if (!dice.one_in(3)) return "";
    return ":" +
           std::string(dice.any_of({"5000", "443", "0", "00443", "99999999", "", "http", "5000:1", "-1", "\xd9\xa1"}));
}

std::string segment(Dice& dice) {
    std::string text = word(dice);
    while (dice.one_in(3)) {
        text += dice.any_of({".", "_", "__", "-", "--", "-----", "___", "..", "-.", "._", "_-", "~", "+"});
        text += word(dice);
    }
    switch (dice.below(40)) {
        case 0:
            return "-" + text;
        case 1:
            return text + "-";
        case 2:
            return "_" + text;
        case 3:
            return text + "__";
        case 4:
            return "";
        case 5:
            return "A" + text;
        case 6:
            return "library";
        case 7:
            return text + ".io";
        default:
            return text;
    }
}

std::string path(Dice& dice) {
    std::string text = segment(dice);
    while (dice.one_in(2)) text += "/" + segment(dice);
    if (dice.one_in(25)) {
        // Around the limits: 255 for the path, with and without `library/`, and for the host together with it.
        const std::size_t length = 235 + dice.below(25);
        while (text.size() + 3 < length) text += dice.one_in(4) ? "/ab" : "abc";
        text.resize(length, 'z');
    }
    if (dice.one_in(60)) return run_of(dice, dice.one_in(2) ? kLowerHex : "0123456789ABCDEFabcdef", 63 + dice.below(3));
    return text;
}

std::string tag(Dice& dice) {
    if (!dice.one_in(2)) return "";
    switch (dice.below(10)) {
        case 0:
            return ":";
        case 1:
            return ":" + run_of(dice, "aB3_.-", 126 + dice.below(4));
        case 2:
            return ":" +
                   std::string(dice.any_of({".x", "-x", "_x", "x.", "x-", "LATEST", "a+b", "a b", "a:b", "1.2*"}));
        default:
            return ":" + run_of(dice, "abcXYZ019_.-", 1 + dice.below(8));
    }
}

std::string digest(Dice& dice) {
    if (!dice.one_in(3)) return "";
    static constexpr std::pair<std::string_view, std::size_t> kAlgorithms[] = {
        {"sha256", 64}, {"sha256", 64}, {"sha384", 96}, {"sha512", 128},  {"sha512", 64},    {"sha256", 63},
        {"sha256", 65}, {"sha256", 32}, {"sha256", 0},  {"sha384", 64},   {"SHA256", 64},    {"md5", 32},
        {"sha1", 40},   {"blake3", 64}, {"", 64},       {"sha256+b", 64}, {"a.b-c_d+e", 64}, {"sha-256", 64},
    };
    const auto& [algorithm, length] = kAlgorithms[dice.below(std::size(kAlgorithms))];
    const std::string_view alphabet = dice.one_in(12) ? "0123456789ABCDEF" : dice.one_in(12) ? "abcdefg" : kLowerHex;
    return "@" + std::string(algorithm) + (dice.one_in(30) ? "" : ":") + run_of(dice, alphabet, length);
}

void damage(Dice& dice, std::string& text) {
    static constexpr std::string_view kBytes = "/:@.-_[]*%~+ \t\r\0aAzZ09fg\x7f\xc3\xa9\xff"sv;
    const std::size_t at = dice.below(text.size() + 1);
    const std::size_t length = dice.below(4);
    switch (dice.below(6)) {
        case 0:
            text.insert(at, 1, kBytes[dice.below(kBytes.size())]);
            break;
        case 1:
            text.erase(at, length);
            break;
        case 2:
            if (at < text.size()) text[at] = kBytes[dice.below(kBytes.size())];
            break;
        case 3:
            text.insert(at, text.substr(at, length));
            break;
        case 4:
            // Other case, where there is one.
            if (at < text.size() && ((text[at] >= 'a' && text[at] <= 'z') || (text[at] >= 'A' && text[at] <= 'Z'))) {
                text[at] = static_cast<char>(text[at] ^ 0x20);
            }
            break;
        default:
            if (at > 0 && at < text.size()) std::swap(text[at - 1], text[at]);
            break;
    }
}

std::string repeated(std::string_view text, std::size_t times) {
    std::string result;
    for (std::size_t i = 0; i < times; ++i) result += text;
    return result;
}

}  // namespace

std::string random_image_text(Dice& dice) {
    std::string text;
    if (dice.one_in(2)) text = host(dice) + port(dice) + "/";
    text += path(dice);
    text += tag(dice);
    text += digest(dice);
    if (dice.one_in(3)) {
        do damage(dice, text);
        while (dice.one_in(2));
    }
    return text;
}

std::vector<std::string> known_image_texts() {
    const std::string hex64 = repeated("5eb0", 16);
    const std::string sha256 = "sha256:" + hex64;
    return {
        // Names, with and without a host.
        "",
        "a",
        "a/",
        "/a",
        "a//b",
        "a/b/",
        "/",
        ":",
        "@",
        ":tag",
        "@" + sha256,
        "nginx",
        "library/nginx",
        "test_com",
        "test.com",
        "test.com:tag",
        "test.com:5000",
        "test.com/repo:tag",
        "test:5000/repo",
        "test:5000/repo:tag",
        "b.gcr.io/test.example.com/my-app:test.example.com",
        "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
        "foo_bar.com:8080",
        "foo_bar.com:8080/app",
        "foo/foo_bar.com:8080",
        "foo_bar.com/x",
        "bad_host.com/x:1",
        "localhost",
        "localhost:8080",
        "localhost/x",
        "localhost:http/x",
        "localhost@" + sha256,
        "LOCALDOMAIN/x",
        "Docker/docker",
        "DOCKER/docker",
        "docker/Docker",
        "Foo/bar",
        "FOO/bar/Baz",
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "lowercase:Uppercase",
        "Asdf.com/foo/bar",
        "http://root",
        "https://example.com/docker/docker",
        "aa/asdf$$^/aa",
        "asdf$$^/aa",
        "a^a",
        // Separators inside a segment.
        "a-/a/a/a",
        "foo.com/a-/a/a",
        "-foo/bar",
        "foo/bar-",
        "foo-/bar",
        "foo/-bar",
        "_foo/bar",
        "foo_bar",
        "____/____",
        "_docker/_docker",
        "docker_/docker_",
        "docker./docker",
        ".docker/docker",
        "do..cker/docker",
        "do__cker/docker",
        "do___cker/docker",
        "do__cker:8080/docker",
        "dock_.er/docker",
        "dock-.er/docker",
        "docker---rules/docker",
        "example.com/some_separator__underscore/x",
        "example.com/__underscore/x",
        "example.com/.dots/x",
        "example.com/nodouble..dots/x",
        "registry.io/foo/project--id.module--name.ver---sion--name",
        // Addresses.
        "192.168.1.1",
        "192.168.1.1:tag",
        "192.168.1.1/repo",
        "192.168.1.1:750050/repo:5050",
        "[2001:db8::1]",
        "[2001:db8::1]:5000",
        "[2001:db8::1]:tag",
        "[2001:db8::1]/repo",
        "[2001:db8:1:2:3:4:5:6]/repo:tag",
        "[2001:db8::1]:5000/repo:tag@" + sha256,
        "[2001:DB8::1]/x",
        "[::1]:5000/repo",
        "[fe80::1%eth0]:5000/repo",
        "[fd00:1:2::3]75050/x",
        "[fd00:1:2::3]::75050/x",
        "[fd00123123123]:75050/x",
        "fd00:1:2::3:75050/x",
        "[]/x",
        "[2001:db8:3:4::192.0.2.33]:5000/debian",
        "xn--n3h.com/myimage:xn--n3h.com",
        "\xe2\x98\x83.com/x",
        // Docker Hub's names and what only looks like them.
        "docker.io/nginx",
        "index.docker.io/nginx",
        "Docker.IO/nginx",
        "INDEX.docker.io/a/b",
        "docker.io/library/a/b",
        "registry-1.docker.io/library/nginx",
        "docker.io:443/nginx",
        "docker.io./nginx",
        "docker.io/docker.io/nginx",
        "hub.docker.com/nginx",
        "docker.io//nginx",
        "library/library/nginx",
        "docker.io/" + hex64,
        // Spellings that attack allow lists.
        "ghcr.io/acme-evil/x",
        "ghcr.io.evil.com/acme",
        "ghcr.io:443/acme/x",
        "ghcr.io/acme/../x",
        "ghcr.io/acme/./x",
        "ghcr.io/acme%2fx",
        "ghcr.io/acme/x ",
        " ghcr.io/acme/x",
        "ghcr.io/acme/x\r",
        "ghcr.io/acme/x\t",
        "ghcr.io/acme/x#1",
        "user@ghcr.io/acme/x",
        "ghcr.io/acme/x:1:2",
        "ghcr.io/acme/x@" + sha256 + "@" + sha256,
        "ghcr.io/acme/x@" + sha256 + ":1",
        "ghcr.io/acme/x:@" + sha256,
        "ghcr.io/acme/x:1@",
        "ghcr.io/acme/*",
        "**",
        "*",
        "gh\xd1\x81r.io/acme/x",
        "GHCR.IO/acme/x",
        "ghcr.io/ACME/x",
        // Tags and digests.
        "a:" + std::string(128, 'T'),
        "a:" + std::string(129, 'T'),
        "a:.b",
        "a:-b",
        "a:_b",
        "a:b~c",
        "repo@" + sha256,
        "repo:1@" + sha256,
        "repo@sha256:" + std::string(34, 'f'),
        "repo@sha256:" + std::string(64, 'F'),
        "repo@sha384:" + std::string(96, 'f'),
        "repo@sha512:" + std::string(128, 'f'),
        "repo@sha512:" + std::string(64, 'f'),
        "repo@md5:" + std::string(32, 'f'),
        "repo@bad",
        "repo@2bad:" + hex64,
        "repo@invaliddigest:" + hex64,
        "repo@sha256+b64:" + hex64,
        // Identifiers.
        hex64,
        hex64 + ":1",
        "library/" + hex64,
        sha256,
        hex64.substr(1),
        hex64 + "0",
        "7EC43B381E5AEFE6E04EFB0B3F0693FF2A4A50652D64AEC573905F2DB5889A1C",
        // Lengths.
        std::string(247, 'a'),
        std::string(248, 'a'),
        std::string(255, 'a'),
        "docker.io/" + std::string(248, 'a'),
        "DOCKER.IO/" + std::string(248, 'a'),
        "x/" + std::string(253, 'a'),
        "x/" + std::string(254, 'a'),
        "example.com/" + std::string(255, 'a') + ":tag",
        "example.com/" + std::string(256, 'a'),
        repeated("a/", 127) + "a:tag",
        repeated("a/", 128) + "a",
        std::string(300, 'h') + ".com/x",
    };
}

}  // namespace endoscope::test
