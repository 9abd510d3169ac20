#include "kube/client/warning.hpp"

#include <algorithm>
#include <functional>
#include <optional>

namespace kube {

namespace {

constexpr std::string_view kKubernetesWarning = "299";

/// Reads from the front of a header value. Every function leaves the text where it could not go on.
class Reader {
  public:
    explicit Reader(std::string_view text) : text_(text) {}

    bool at_end() const { return text_.empty(); }
    bool take(char c) {
        if (text_.empty() || text_.front() != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    void skip_spaces() {
        while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\t')) text_.remove_prefix(1);
    }
    std::string_view word() {
        const std::size_t end = std::min(text_.find_first_of(" \t,\""), text_.size());
        const std::string_view found = text_.substr(0, end);
        text_.remove_prefix(end);
        return found;
    }
    std::optional<std::string> quoted() {
        if (!take('"')) return std::nullopt;
        std::string out;
        while (!text_.empty()) {
            char c = text_.front();
            text_.remove_prefix(1);
            if (c == '"') return out;
            if (c == '\\') {
                if (text_.empty()) break;
                c = text_.front();
                text_.remove_prefix(1);
            }
            out += c;
        }
        return std::nullopt;
    }
    /// Past the next comma outside quotes.
    void skip_value() {
        while (!text_.empty() && !take(',')) {
            if (text_.front() == '"') {
                quoted();
            } else {
                text_.remove_prefix(1);
            }
        }
    }

  private:
    std::string_view text_;
};

/// The text of the warning at the reader's place; nothing where it is malformed or not one of Kubernetes.
std::optional<std::string> parse_one(Reader reader) {
    const std::string_view code = reader.word();
    if (!reader.take(' ')) return std::nullopt;
    const std::string_view agent = reader.word();
    if (agent.empty() || !reader.take(' ')) return std::nullopt;
    auto text = reader.quoted();
    if (!text) return std::nullopt;
    if (reader.take(' ')) reader.quoted();  // the date
    reader.skip_spaces();
    if (!reader.at_end() && !reader.take(',')) return std::nullopt;
    if (code != kKubernetesWarning || text->empty()) text.reset();
    return text;
}

}  // namespace

std::vector<std::string> parse_warnings(std::string_view value) {
    std::vector<std::string> texts;
    Reader reader(value);
    while (!reader.at_end()) {
        reader.skip_spaces();
        if (reader.take(',')) continue;
        if (auto text = parse_one(reader)) texts.push_back(std::move(*text));
        reader.skip_value();
    }
    return texts;
}

bool WarningMemory::is_new(const std::string& text) {
    const std::size_t hash = std::hash<std::string>()(text);
    if (!seen_.insert(hash).second) return false;
    order_.push_back(hash);
    if (order_.size() > capacity_) {
        seen_.erase(order_.front());
        order_.pop_front();
    }
    return true;
}

}  // namespace kube
