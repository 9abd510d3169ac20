#pragma once

#include <nlohmann/json.hpp>

#include <expected>
#include <iosfwd>
#include <string>
#include <vector>

namespace endoscope::cli {

/// One object of a file.
struct Document {
    std::string place;  ///< "policies.yaml: document 2", for messages.
    nlohmann::json value;
};

/// The files that `-f` names: a directory stands for its .yaml, .yml and .json files by name, not those of directories
/// in it (as in kubectl without -R). The error is one line.
std::expected<std::vector<std::string>, std::string> expand_files(const std::vector<std::string>& names);

/// Reads all objects of a file, YAML (several documents) or JSON; "-" is the given input. Lists as `kubectl get -o
/// yaml` prints them are taken apart. The error is one line and names file, document and, for bad YAML, the line.
///
/// Scalars are read as YAML 1.2 (core schema) does: only plain ones become numbers, booleans or null, and a number with
/// a leading zero stays text. Duplicate keys are errors.
std::expected<std::vector<Document>, std::string> read_documents(const std::string& file, std::istream& input);

}  // namespace endoscope::cli
