#include "tests/conformance/script.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "kube/base/yaml.hpp"
#include "tests/integration/subprocess.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <utility>

namespace endoscope::conformance {

namespace {

constexpr std::array<std::pair<const char*, const char*>, 6> kContentTypes = {
    {{"json", "application/json"},
     {"merge", "application/merge-patch+json"},
     {"strategic", "application/strategic-merge-patch+json"},
     {"jsonpatch", "application/json-patch+json"},
     {"apply", "application/apply-patch+yaml"},
     {"yaml", "application/yaml"}}};

std::string content_type(const std::string& name) {
    for (const auto& [known, type] : kContentTypes) {
        if (name == known) return type;
    }
    return name;
}

json read_document(const std::string& file) {
    auto documents = kube::parse_yaml(test::read_text(file));
    if (!documents) throw std::runtime_error(file + ": " + documents.error().message);
    std::erase(*documents, json());
    if (documents->size() != 1) throw std::runtime_error(file + " does not hold one document");
    return documents->front();
}

Step read_step(const json& text) {
    static const json kKeys = {"name", "do",    "as",   "headers", "body",   "with",    "type",    "keep",   "until",
                               "show", "watch", "read", "events",  "action", "reviews", "differs", "accept", "file"};
    for (const auto& [key, value] : text.items()) {
        if (std::ranges::find(kKeys, json(key)) == kKeys.end()) throw std::runtime_error("unknown key " + key);
    }
    Step step;
    step.name = text.value("name", "");
    if (const std::string request = text.value("do", ""); !request.empty()) {
        const std::size_t space = request.find(' ');
        step.method = request.substr(0, space);
        step.target = request.substr(space + 1);
    }
    step.user = text.value("as", "admin");
    step.headers = text.value("headers", json::object());
    step.body = text.contains("file") ? read_document(ENDOSCOPE_SOURCE_DIR "/" + text["file"].get<std::string>())
                                      : text.value("body", json());
    if (text.contains("with")) step.body = {{"$merge", {step.body, text["with"]}}};
    if (!step.body.is_null()) step.headers["Content-Type"] = content_type(text.value("type", "json"));
    if (text.contains("accept")) step.headers["Accept"] = text["accept"];
    step.keep = text.value("keep", step.keep);
    if (text.contains("until")) step.until = text["until"].get<int>();
    if (text.contains("show")) step.show = text["show"].get<std::vector<std::string>>();
    step.watch = text.value("watch", "");
    step.read = text.value("read", "");
    step.events = text.value("events", std::size_t{0});
    step.action = text.value("action", "");
    step.reviews = text.value("reviews", false);
    step.differs = text.value("differs", step.differs);
    return step;
}

bool is_name(char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// The variable at `at`, a '$', and where the text goes on; an empty name when it is none.
std::pair<std::string, std::size_t> variable_at(const std::string& text, std::size_t at) {
    std::size_t begin = at + 1;
    const bool braced = begin < text.size() && text[begin] == '{';
    if (braced) ++begin;
    std::size_t end = begin;
    while (end < text.size() && is_name(text[end])) ++end;
    return {text.substr(begin, end - begin), braced ? end + 1 : end};
}

json expand_text(const std::string& text, const json& variables) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] != '$') {
            out += text[at++];
            continue;
        }
        const auto [name, next] = variable_at(text, at);
        if (name.empty()) {
            out += text[at++];
            continue;
        }
        if (!variables.contains(name)) throw std::runtime_error("no variable " + name + " in: " + text);
        const json& value = variables[name];
        if (at == 0 && next == text.size()) return value;
        out += value.is_string() ? value.get<std::string>() : value.dump();
        at = next;
    }
    return out;
}

}  // namespace

json expand(const json& value, const json& variables) {
    if (value.is_string()) return expand_text(value.get<std::string>(), variables);
    if (value.is_object() && value.size() == 1) {
        if (value.contains("$merge")) {
            json out = expand(value["$merge"][0], variables);
            out.merge_patch(expand(value["$merge"][1], variables));
            return out;
        }
        if (value.contains("base64")) return kube::base64_encode(expand(value["base64"], variables).dump());
    }
    json out = value;
    if (out.is_structured()) {
        for (json& member : out) member = expand(member, variables);
    }
    return out;
}

Script read_script(const std::string& file) {
    const json text = read_document(file);
    Script script;
    script.name = std::filesystem::path(file).stem().string();
    script.only_model = text.value("only", "") == "model";
    script.variables = text.value("variables", json::object());
    script.hooks = text.value("hooks", json::object());
    std::set<std::string> names;
    for (const json& step : text.at("steps")) {
        try {
            script.steps.push_back(read_step(step));
            const std::string& name = script.steps.back().name;
            if (!name.empty() && !names.insert(name).second) throw std::runtime_error("the name is there twice");
        } catch (const std::exception& exception) {
            throw std::runtime_error(file + ": " + step.dump() + ": " + exception.what());
        }
    }
    return script;
}

}  // namespace endoscope::conformance
