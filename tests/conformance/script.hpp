#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::conformance {

using nlohmann::json;

/// One request of a script and what is kept of its answer. README.md explains the keys of the YAML.
struct Step {
    std::string name;    ///< The key of the answer in the golden file. Empty: preparation, which only has to succeed.
    std::string method;  ///< Empty: an action on the control plane or a watch that was begun before.
    std::string target;  ///< Path and query; `$variables` as everywhere.
    std::string user = "admin";
    json headers = json::object();
    json body;                                ///< null: none; a string is sent as it is.
    std::map<std::string, std::string> keep;  ///< Variables from the answer, by JSON pointer.
    std::optional<int> until;                 ///< Repeat until this status is seen, for what takes effect with a delay.
    std::optional<std::vector<std::string>> show;  ///< The only parts of a success that are compared, JSON pointers.
    std::string watch;                             ///< Begins a watch under this name.
    std::string read;                              ///< Reads from the watch of this name.
    std::size_t events = 0;  ///< How many lines are read; fewer when the stream ends or falls silent.
    std::string action;      ///< "compact": forgets history up to now.
    bool reviews = false;    ///< Compare the bodies that webhooks received, not only which were called.
    std::map<std::string, std::string> differs;  ///< JSON pointer into the answer: why the model differs there.
};

struct Script {
    std::string name;         ///< The file's stem; the namespace `$ns` is `conf-<name>`.
    bool only_model = false;  ///< What the model refuses and a real API server would do.
    json variables = json::object();
    json hooks = json::object();  ///< Answers of the webhook server, by path.
    std::vector<Step> steps;
};

/// Reads a script. Throws std::runtime_error with the file and the step at fault: scripts are part of the test.
Script read_script(const std::string& file);

/// `value` with `$name` and `${name}` replaced in all its strings; a string that is one variable alone becomes its
/// value, whatever the type. Throws for a name that is not known.
json expand(const json& value, const json& variables);

}  // namespace endoscope::conformance
