#include "cmd/kubectl-endoscope/documents.hpp"

#include "kube/base/yaml.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace endoscope::cli {
namespace {

using nlohmann::json;

/// Appends the object, or the items of a list.
void append(std::vector<Document>& documents, std::string place, json value) {
    const bool is_list = value.is_object() && value.contains("items") && value["items"].is_array() &&
                         value.contains("kind") && value["kind"].is_string() &&
                         value["kind"].get_ref<const std::string&>().ends_with("List");
    if (!is_list) {
        if (!value.is_null()) documents.push_back({std::move(place), std::move(value)});
        return;
    }
    std::size_t index = 0;
    for (json& item : value["items"]) {
        documents.push_back({place + ", item " + std::to_string(++index), std::move(item)});
    }
}

std::vector<Document> parse(const std::string& text, const std::string& name) {
    std::vector<Document> documents;
    const std::string document = name + ": document ";
    auto parsed = kube::parse_yaml(text);
    if (!parsed) throw std::runtime_error(name + ": " + parsed.error().message);
    for (std::size_t i = 0; i < parsed->size(); ++i)
        append(documents, document + std::to_string(i + 1), std::move((*parsed)[i]));
    return documents;
}

}  // namespace

std::expected<std::vector<std::string>, std::string> expand_files(const std::vector<std::string>& names) {
    std::vector<std::string> files;
    for (const std::string& name : names) {
        std::error_code error;
        if (name == "-" || !std::filesystem::is_directory(name, error)) {
            files.push_back(name);
            continue;
        }
        std::vector<std::string> found;
        for (std::filesystem::directory_iterator entry(name, error); !error && entry != std::filesystem::end(entry);
             entry.increment(error)) {
            const auto extension = entry->path().extension();
            if (extension == ".yaml" || extension == ".yml" || extension == ".json") found.push_back(entry->path());
        }
        if (error) return std::unexpected(name + ": cannot be read: " + error.message());
        if (found.empty()) return std::unexpected(name + ": has no .yaml, .yml or .json file");
        std::ranges::sort(found);
        files.insert(files.end(), found.begin(), found.end());
    }
    return files;
}

std::expected<std::vector<Document>, std::string> read_documents(const std::string& file, std::istream& input) {
    const std::string name = file == "-" ? "standard input" : file;
    std::ifstream stream;
    if (file != "-") {
        stream.open(file, std::ios::binary);
        if (!stream) return std::unexpected(name + ": cannot be opened");
    }
    std::istream& source = file == "-" ? input : stream;
    const std::string text{std::istreambuf_iterator<char>(source), std::istreambuf_iterator<char>()};
    if (source.bad()) return std::unexpected(name + ": cannot be read");
    try {
        return parse(text, name);
    } catch (const std::exception& error) {
        return std::unexpected(error.what());
    }
}

}  // namespace endoscope::cli
