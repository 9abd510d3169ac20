#include "controller/image_pattern.hpp"
#include "controller/image_reference.hpp"
#include "tests/bench/bench.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <fnmatch.h>
#include <string>
#include <vector>

// Parsing image references and matching patterns, beside what one would write without this code.

namespace endoscope::bench {
namespace {

using controller::ImagePattern;
using controller::ImageReference;

/// What is really asked for: mostly short, some with a port or a digest.
std::vector<std::string> texts() {
    const std::string digest = "@sha256:5eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb0";
    return {"busybox",
            "nginx:1.27-alpine",
            "nicolaka/netshoot:v0.13",
            "ghcr.io/acme/platform/debug-tools:2026.1.3",
            "registry.k8s.io/e2e-test-images/agnhost:2.53" + digest,
            "registry.example.com:5000/team/service/worker" + digest,
            "public.ecr.aws/docker/library/alpine:3.20",
            "localhost:5000/x:dev"};
}

std::vector<ImageReference> references() {
    std::vector<ImageReference> result;
    for (const std::string& text : texts()) result.push_back(controller::parse_image_reference(text).value());
    return result;
}

/// The grammar of github.com/distribution/reference as one expression: name, tag, digest.
std::string grammar() {
    const std::string label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    const std::string host = "(?:" + label + R"((?:\.)" + label + R"()*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?)";
    const std::string segment = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    const std::string name = "(?:" + host + "/)?" + segment + "(?:/" + segment + ")*";
    return "^(" + name + R"()(?::([\w][\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:)" +
           "[[:xdigit:]]{32,}))?$";
}

void parse_image(benchmark::State& state) {
    const std::vector<std::string> inputs = texts();
    const Measurement measurement(state, static_cast<std::int64_t>(inputs.size()));
    for (auto _ : state) {
        for (const std::string& input : inputs) benchmark::DoNotOptimize(controller::parse_image_reference(input));
    }
}
BENCHMARK(parse_image);

/// The expression alone, without normalising anything.
void parse_image_by_re2(benchmark::State& state) {
    const std::vector<std::string> inputs = texts();
    const re2::RE2 expression(grammar());
    if (!expression.ok()) return state.SkipWithError(expression.error().c_str());
    const Measurement measurement(state, static_cast<std::int64_t>(inputs.size()));
    for (auto _ : state) {
        for (const std::string& input : inputs) {
            std::string name;
            std::string tag;
            std::string digest;
            if (!re2::RE2::FullMatch(input, expression, &name, &tag, &digest)) state.SkipWithError("no match");
            benchmark::DoNotOptimize(digest);
        }
    }
}
BENCHMARK(parse_image_by_re2);

/// The least that any parser does: a look at every character, and a copy.
void scan_image(benchmark::State& state) {
    const std::vector<std::string> inputs = texts();
    const Measurement measurement(state, static_cast<std::int64_t>(inputs.size()));
    for (auto _ : state) {
        for (const std::string& input : inputs) {
            std::string copy = input;
            benchmark::DoNotOptimize(
                std::ranges::count_if(copy, [](char c) { return c == '/' || c == ':' || c == '@'; }));
        }
    }
}
BENCHMARK(scan_image);

const std::vector<std::string>& pattern_texts() {
    static const std::vector<std::string> patterns = {
        "docker.io/library/busybox:1.*", "nicolaka/netshoot", "ghcr.io/acme/**", "registry.k8s.io/**/agnhost",
        "registry.example.com:5000/*/*", "**:latest"};
    return patterns;
}

void match_pattern(benchmark::State& state) {
    std::vector<ImagePattern> patterns;
    for (const std::string& text : pattern_texts()) patterns.push_back(ImagePattern::parse(text).value());
    const std::vector<ImageReference> images = references();
    const Measurement measurement(state, static_cast<std::int64_t>(patterns.size() * images.size()));
    for (auto _ : state) {
        for (const ImagePattern& pattern : patterns) {
            for (const ImageReference& image : images) {
                benchmark::DoNotOptimize(pattern.matches(image, ImagePattern::Use::deny));
            }
        }
    }
}
BENCHMARK(match_pattern);

/// What peers do: one glob over the whole text.
void match_pattern_by_fnmatch(benchmark::State& state) {
    std::vector<std::string> images;
    for (const ImageReference& image : references()) images.push_back(image.canonical());
    const Measurement measurement(state, static_cast<std::int64_t>(pattern_texts().size() * images.size()));
    for (auto _ : state) {
        for (const std::string& pattern : pattern_texts()) {
            for (const std::string& image : images)
                benchmark::DoNotOptimize(fnmatch(pattern.c_str(), image.c_str(), 0));
        }
    }
}
BENCHMARK(match_pattern_by_fnmatch);

}  // namespace
}  // namespace endoscope::bench
