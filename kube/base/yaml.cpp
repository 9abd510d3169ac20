#include "kube/base/yaml.hpp"

#include "kube/base/log.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace kube {

namespace {

using nlohmann::json;

// A few lines of YAML can stand for any amount of data (aliases of aliases), or for an endless depth.
constexpr std::size_t kMaxNodes = 5'000'000;
constexpr int kMaxDepth = 200;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    for (const std::string_view word : words) {
        if (text == word) return true;
    }
    return false;
}

std::optional<json> to_number(std::string_view text) {
    std::string_view digits = text;
    if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
    if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;
    if (digits.size() > 1 && digits.front() == '0' && digits[1] != '.') return std::nullopt;
    const char* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const char* const end = text.data() + text.size();
    std::int64_t whole = 0;
    if (const auto [last, code] = std::from_chars(begin, end, whole); last == end && code == std::errc()) return whole;
    double fraction = 0;
    if (const auto [last, code] = std::from_chars(begin, end, fraction); last == end && code == std::errc()) {
        return fraction;
    }
    return std::nullopt;
}

json to_scalar(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    // yaml-cpp marks plain scalars "?" and quoted ones "!".
    if (node.Tag() != "?") return text;
    if (is_one_of(text, {"true", "True", "TRUE"})) return true;
    if (is_one_of(text, {"false", "False", "FALSE"})) return false;
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
    if (auto number = to_number(text)) return *std::move(number);
    return text;
}

/// Throws where yaml-cpp would read empty documents for ever: it takes a stray token ("{},") for the start of one and
/// does not move past it.
class ProgressCheck final : public YAML::EventHandler {
  public:
    void OnDocumentStart(const YAML::Mark& mark) override {
        if (last_ && *last_ == mark.pos) throw YAML::ParserException(mark, "unexpected character");
        last_ = mark.pos;
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
    void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
    void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
    void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnMapEnd() override {}

  private:
    std::optional<int> last_;
};

class Converter final {
  public:
    json convert(const YAML::Node& node, int depth = 0) {
        if (depth > kMaxDepth) fail(node, "is nested too deeply");
        if (++nodes_ > kMaxNodes) fail(node, "has too many values");
        switch (node.Type()) {
            case YAML::NodeType::Undefined:
            case YAML::NodeType::Null:
                return nullptr;
            case YAML::NodeType::Scalar:
                return to_scalar(node);
            case YAML::NodeType::Sequence: {
                json list = json::array();
                for (const auto& entry : node) list.push_back(convert(entry, depth + 1));
                return list;
            }
            case YAML::NodeType::Map: {
                json object = json::object();
                for (const auto& member : node) {
                    if (!member.first.IsScalar()) fail(member.first, "has a key that is not text");
                    const std::string& key = member.first.Scalar();
                    if (key == "<<") fail(member.first, "has a merge key (<<), which is not supported");
                    if (object.contains(key)) fail(member.first, "has key \"" + log::escape(key) + "\" twice");
                    object[key] = convert(member.second, depth + 1);
                }
                return object;
            }
        }
        return nullptr;
    }

  private:
    [[noreturn]] static void fail(const YAML::Node& node, const std::string& what) {
        throw std::runtime_error("line " + std::to_string(node.Mark().line + 1) + ": " + what);
    }

    std::size_t nodes_ = 0;
};

}  // namespace

Result<std::vector<json>> parse_yaml(const std::string& text) {
    std::vector<json> documents;
    // JSON is not quite a part of YAML (escapes of surrogate pairs), so it is read as what it is where it is that.
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && text[first] == '{') {
        if (json value = json::parse(text, nullptr, false); !value.is_discarded()) {
            documents.push_back(std::move(value));
            return documents;
        }
    }
    std::vector<YAML::Node> nodes;
    try {
        std::istringstream input(text);
        YAML::Parser parser(input);
        ProgressCheck check;
        while (parser.HandleNextDocument(check)) {
        }
        nodes = YAML::LoadAll(text);
    } catch (const YAML::Exception& error) {
        return kube::fail(ErrorKind::malformed, "line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        try {
            documents.push_back(Converter().convert(nodes[i]));
        } catch (const std::runtime_error& error) {
            return kube::fail(ErrorKind::malformed, "document " + std::to_string(i + 1) + ": " + error.what());
        }
    }
    return documents;
}

}  // namespace kube
