#include "controller/image_reference.hpp"

#include "tests/upstream/image_generator.hpp"
#include "tests/upstream/oracle.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace endoscope::test {
namespace {

constexpr std::size_t kGenerated = 40'000;
constexpr std::size_t kShown = 20;  // Differences written out; one bug can make thousands.

bool has_upper(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return result;
}

/// Where we differ from upstream on purpose: what to ask upstream about the text instead, and whether to refuse the
/// text whatever upstream says.
struct Translation {
    std::string question;
    bool refused = false;
};

Translation translate(const std::string& text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos) return {.question = text};
    const std::string first = text.substr(0, slash);
    if (first.find_first_of(".:") == std::string::npos && first != "localhost") {
        // Only its capitals make upstream take it for a host.
        return {.question = text, .refused = has_upper(first)};
    }
    // Upstream has no host with `_`: it takes all of it for a path, without any host.
    return {.question = lower(first) + text.substr(slash), .refused = first.contains('_')};
}

/// A reference in the form of the oracle's answers, without the words of an error.
nlohmann::json comparable(const std::expected<controller::ImageReference, std::string>& reference) {
    if (!reference) return "refused";
    return {{"canonical", reference->canonical()},
            {"host", reference->host},
            {"path", reference->path},
            {"tag", reference->tag},
            {"digest", reference->digest}};
}

nlohmann::json comparable(const nlohmann::json& answer, const Translation& translation) {
    if (translation.refused || answer.contains("error")) return "refused";
    return answer;
}

class ImageReferences : public UpstreamTest {
  protected:
    /// Gives the number of texts that were accepted.
    static std::size_t compare(const std::vector<std::string>& texts) {
        std::vector<std::string> questions = texts;
        for (const std::string& text : texts) questions.push_back(translate(text).question);
        const std::vector<nlohmann::json> answers = ask("image", questions);
        std::size_t accepted = 0;
        std::size_t differences = 0;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            const auto reference = controller::parse_image_reference(texts[i]);
            accepted += reference.has_value() ? 1U : 0U;
            const nlohmann::json ours = comparable(reference);
            const nlohmann::json theirs = comparable(answers[texts.size() + i], translate(texts[i]));
            // What users' other tools refuse as it stands must not be accepted, whatever the translation made of it.
            const bool is_new = reference.has_value() && answers[i].contains("error");
            if (ours == theirs && !is_new) continue;
            if (++differences <= kShown) {
                ADD_FAILURE() << shown(texts[i]) << "\n  ours:     " << ours << "\n  upstream: " << theirs
                              << "\n  upstream, of the text as it stands: " << answers[i];
            }
        }
        EXPECT_EQ(differences, 0U) << "of " << texts.size() << " texts";
        return accepted;
    }
};

TEST_F(ImageReferences, KnownTexts) {
    compare(known_image_texts());
}

TEST_F(ImageReferences, GeneratedTexts) {
    Dice dice(4711);
    std::vector<std::string> texts;
    while (texts.size() < scaled(kGenerated)) texts.push_back(random_image_text(dice));
    const std::size_t accepted = compare(texts);
    // A generator that makes only good or only bad texts compares little.
    EXPECT_GT(accepted, texts.size() / 5);
    EXPECT_LT(accepted, texts.size() * 4 / 5);
}

TEST_F(ImageReferences, CanonicalFormIsUpstreamsToo) {
    Dice dice(815);
    std::vector<std::string> canonicals;
    while (canonicals.size() < scaled(kGenerated / 4)) {
        if (const auto reference = controller::parse_image_reference(random_image_text(dice))) {
            canonicals.push_back(reference->canonical());
        }
    }
    const std::vector<nlohmann::json> answers = ask("image", canonicals);
    for (std::size_t i = 0; i < canonicals.size(); ++i) {
        ASSERT_EQ(answers[i].value("canonical", "refused"), canonicals[i]);
    }
}

}  // namespace
}  // namespace endoscope::test
