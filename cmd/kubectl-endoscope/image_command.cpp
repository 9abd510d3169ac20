#include "cmd/kubectl-endoscope/image_command.hpp"

#include "api/text.hpp"
#include "controller/image_pattern.hpp"
#include "controller/image_reference.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <optional>
#include <utility>

namespace endoscope::cli {
namespace {

using controller::ImagePattern;
using controller::ImageReference;
using Json = nlohmann::ordered_json;  // Keys in the order of the contract.

std::optional<std::vector<ImagePattern>> parse_patterns(const ImageOptions& options, std::ostream& err) {
    std::vector<ImagePattern> patterns;
    for (const std::string& text : options.patterns) {
        auto pattern = ImagePattern::parse(text);
        if (!pattern) {
            err << "error: --pattern \"" << api::printable(text) << "\": " << pattern.error() << '\n';
            return std::nullopt;
        }
        patterns.push_back(*std::move(pattern));
    }
    return patterns;
}

Json describe(const std::string& input, const ImageReference& reference, const std::vector<ImagePattern>& patterns) {
    Json matches = Json::object();
    for (const ImagePattern& pattern : patterns) {
        matches[pattern.text()] = pattern.matches(reference, ImagePattern::Use::allow);
    }
    return {{"input", input},
            {"canonical", reference.canonical()},
            {"host", reference.host},
            {"path", reference.path},
            {"tag", reference.tag},
            {"digest", reference.digest},
            {"matches", std::move(matches)}};
}

Json describe(const std::string& input, const std::vector<ImagePattern>& patterns) {
    const auto reference = controller::parse_image_reference(input);
    if (!reference) return {{"input", input}, {"error", reference.error()}};
    return describe(input, *reference, patterns);
}

/// One line. Input that is not UTF-8 is shown with replacement characters, as JSON cannot hold it.
std::string compact(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int run_lines(const std::vector<ImagePattern>& patterns, const Streams& streams) {
    for (std::string line; std::getline(streams.in, line);) {
        streams.out << compact(describe(line, patterns)) << '\n';
        // Whoever asks line by line gets the answer at once; whoever sends many is not slowed down.
        if (streams.in.rdbuf()->in_avail() <= 0) streams.out.flush();
    }
    streams.out.flush();
    return streams.in.bad() || !streams.out ? kExitInvalid : kExitOk;
}

void print_text(const ImageReference& reference, const std::vector<ImagePattern>& patterns, std::ostream& out) {
    const auto row = [&](const char* name, const std::string& value) {
        if (!value.empty()) out << name << value << '\n';
    };
    row("canonical: ", reference.canonical());
    row("host:      ", reference.host);
    row("path:      ", reference.path);
    row("tag:       ", reference.tag);
    row("digest:    ", reference.digest);
    for (const ImagePattern& pattern : patterns) {
        out << (pattern.matches(reference, ImagePattern::Use::allow) ? "matches:   " : "no match:  ") << pattern.text()
            << '\n';
    }
}

}  // namespace

int run_image(const ImageOptions& options, const Streams& streams) {
    const auto patterns = parse_patterns(options, streams.err);
    if (!patterns) return kExitInvalid;
    if (options.reference == "-") return run_lines(*patterns, streams);

    const auto reference = controller::parse_image_reference(options.reference);
    if (options.output == "json") {
        streams.out << compact(describe(options.reference, *patterns)) << '\n';
    } else if (reference) {
        print_text(*reference, *patterns, streams.out);
    } else {
        streams.err << "error: \"" << api::printable(options.reference) << "\": " << reference.error() << '\n';
    }
    return reference ? kExitOk : kExitInvalid;
}

}  // namespace endoscope::cli
