#include "tests/conformance/golden.hpp"

#include "kube/base/json.hpp"

namespace endoscope::conformance {

namespace {

constexpr std::size_t kWidth = 118;
constexpr std::size_t kIndent = 1;

std::string one_line(const json& value) {
    if (!value.is_structured()) return kube::dump_json(value);
    std::string out;
    for (const auto& [key, member] : value.items()) {
        if (!out.empty()) out += ", ";
        if (value.is_object()) out += json(key).dump() + ": ";
        out += one_line(member);
    }
    return value.is_object() ? "{" + out + "}" : "[" + out + "]";
}

void print(std::string& out, const json& value, std::size_t indent, std::size_t used) {
    std::string line = one_line(value);
    if (!value.is_structured() || value.empty() || (indent > 0 && used + line.size() <= kWidth)) {
        out += line;
        return;
    }
    out += value.is_object() ? "{" : "[";
    bool first = true;
    for (const auto& [key, member] : value.items()) {
        out += first ? "\n" : ",\n";
        first = false;
        const std::string head =
            std::string(indent + kIndent, ' ') + (value.is_object() ? json(key).dump() + ": " : "");
        out += head;
        print(out, member, indent + kIndent, head.size() + 1);
    }
    out += "\n" + std::string(indent, ' ') + (value.is_object() ? "}" : "]");
}

json at(const json& answer, const std::string& pointer) {
    const json::json_pointer place(pointer);
    return answer.contains(place) ? answer[place] : json("(absent)");
}

void take_out(json& answer, const std::string& pointer) {
    const json::json_pointer place(pointer);
    if (!answer.contains(place)) return;
    json& parent = answer[place.parent_pointer()];
    if (parent.is_array()) {
        parent.erase(std::stoul(place.back()));
    } else {
        parent.erase(place.back());
    }
}

/// What is not as expected in one step.
std::string compare_step(const Step& step, json golden, json answer, bool is_model) {
    std::string out;
    for (const auto& [pointer, reason] : step.differs) {
        if (!is_model) break;
        if (at(golden, pointer) == at(answer, pointer)) {
            out += "  " + pointer + " no longer differs; the script says: " + reason + "\n";
        }
        take_out(golden, pointer);
        take_out(answer, pointer);
    }
    if (golden["code"] != answer["code"]) {
        // Everything else differs with it.
        return out + "    golden: " + one_line(golden) + "\n    now:    " + one_line(answer) + "\n";
    }
    for (const json& change : json::diff(golden, answer)) {
        const std::string path = change["path"].get<std::string>();
        out += "  at " + (path.empty() ? "/" : path) + "\n    golden: " + at(golden, path).dump() +
               "\n    now:    " + (change["op"] == "remove" ? "(absent)" : change["value"].dump()) + "\n";
    }
    return out;
}

}  // namespace

std::string pretty(const json& value) {
    std::string out;
    print(out, value, 0, 0);
    return out + "\n";
}

std::string compare(const Script& script, const json& golden, const json& transcript, bool is_model) {
    std::string out;
    std::size_t named = 0;
    for (const Step& step : script.steps) {
        if (step.name.empty()) continue;
        ++named;
        if (!golden.contains(step.name)) {
            out += step.name + ": not in the golden file\n";
            continue;
        }
        if (!transcript.contains(step.name)) continue;  // the run ended before, and says so
        const std::string wrong = compare_step(step, golden[step.name], transcript[step.name], is_model);
        if (!wrong.empty()) out += step.name + ":\n" + wrong;
    }
    if (named != golden.size()) out += "the golden file has steps that the script does not have\n";
    return out;
}

}  // namespace endoscope::conformance
