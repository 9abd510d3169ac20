#include "tests/conformance/runner.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "tests/integration/etcd.hpp"
#include "tests/integration/subprocess.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace endoscope::conformance {

namespace {

constexpr std::chrono::seconds kUntil{30};
constexpr std::array<const char*, 4> kHeaders = {"Content-Type", "Warning", "Retry-After", "Allow"};
constexpr std::array<const char*, 3> kReviewHeaders = {"Content-Type", "Accept", "User-Agent"};

template <std::size_t N>
json headers_of(const kube::HttpHeaders& headers, const std::array<const char*, N>& names) {
    json out = json::object();
    for (const char* const name : names) {
        const auto values = headers.get_all(name);
        if (values.size() == 1) out[name] = values[0];
        if (values.size() > 1) out[name] = values;
    }
    return out;
}

kube::HttpRequest to_http(const Step& step, const json& variables) {
    kube::HttpRequest http;
    http.method = step.method;
    http.target = expand(step.target, variables).get<std::string>();
    http.headers.set("Accept", "application/json");
    for (const auto& [name, value] : expand(step.headers, variables).items()) {
        http.headers.set(name, value.get<std::string>());
    }
    if (step.body.is_null()) return http;
    const json body = expand(step.body, variables);
    http.body = body.is_string() ? body.get<std::string>() : body.dump();
    return http;
}

/// JSON where it is JSON, else the text; of a binary body only that it is one.
json parsed(const std::string& text) {
    if (text.starts_with(std::string_view("k8s\0", 4))) return "<protobuf>";
    const auto value = kube::parse_json(text);
    return value ? *value : json(text);
}

/// The JSON type is what nearly every answer has, so it goes without saying.
json answer_of(const kube::HttpResponse& response, const json& body) {
    json out = {{"code", response.status}, {"headers", headers_of(response.headers, kHeaders)}, {"body", body}};
    if (out["headers"].value("Content-Type", json()) == "application/json") out["headers"].erase("Content-Type");
    if (out["headers"].empty()) out.erase("headers");
    return out;
}

bool is_success(const json& answer) {
    return answer["code"] >= 200 && answer["code"] < 300;
}

void keep_variables(const Step& step, const json& answer, json& variables) {
    for (const auto& [name, pointer] : step.keep) {
        const json::json_pointer place(pointer);
        if (!answer["body"].contains(place)) {
            throw std::runtime_error("no " + pointer + " in: " + answer.dump());
        }
        variables[name] = answer["body"][place];
    }
}

json only_shown(const Step& step, json answer) {
    if (!step.show || !is_success(answer)) return answer;
    json shown = json::object();
    for (const std::string& pointer : *step.show) {
        const json::json_pointer place(pointer);
        shown[pointer] = answer["body"].contains(place) ? answer["body"][place] : json("(absent)");
    }
    answer["body"] = shown;
    if (shown.empty()) answer.erase("body");
    return answer;
}

}  // namespace

Runner::Runner(Plane& plane)
    : plane_(plane), clock_(kube::make_system_clock(io_.get_executor())), hooks_(io_, *clock_) {}

HttpUser& Runner::user(const std::string& name) {
    auto& known = users_[name];
    if (!known) known = std::make_unique<HttpUser>(io_, *clock_, plane_.kubeconfig(name));
    return *known;
}

json Runner::received(const Step& step) {
    json out = json::array();
    for (const ReceivedReview& review : hooks_.take()) {
        if (!step.reviews) {
            out.push_back(review.target);
            continue;
        }
        out.push_back({{"target", review.target},
                       {"headers", headers_of(review.headers, kReviewHeaders)},
                       {"body", review.body}});
    }
    return out;
}

json Runner::ask(const Step& step, const kube::HttpRequest& request, State& state) {
    hooks_.take();
    json answer;
    if (step.watch.empty() && step.events == 0) {
        const kube::HttpResponse response = user(step.user).exchange(request);
        answer = answer_of(response, parsed(response.body));
    } else {
        auto stream = user(step.user).open(request);
        json lines = json::array();
        if (step.watch.empty()) {
            for (const std::string& line : user(step.user).read_lines(*stream, step.events)) {
                lines.push_back(parsed(line));
            }
        }
        answer = answer_of(stream->head, lines);
        if (!step.watch.empty()) state.watches[step.watch] = std::move(stream);
    }
    if (const json calls = received(step); !calls.empty()) answer["hooks"] = calls;
    return answer;
}

json Runner::ask_until(const Step& step, const kube::HttpRequest& request, State& state) {
    json answer = ask(step, request, state);
    if (!step.until) return answer;
    const bool seen = test::eventually(
        [&] {
            if (answer["code"] == *step.until) return true;
            answer = ask(step, request, state);
            return false;
        },
        kUntil);
    if (!seen) throw std::runtime_error("not answered with " + std::to_string(*step.until) + ": " + answer.dump());
    return answer;
}

json Runner::read_watch(const Step& step, State& state) {
    const auto found = state.watches.find(step.read);
    if (found == state.watches.end()) throw std::runtime_error("no watch " + step.read);
    json lines = json::array();
    for (const std::string& line : user(step.user).read_lines(*found->second, step.events)) {
        lines.push_back(parsed(line));
    }
    return {{"code", 200}, {"body", lines}};
}

json Runner::compact() {
    const std::string url = plane_.etcd_url();
    if (url.empty()) {
        plane_.compact_model();
        return {{"code", 200}};
    }
    test::compact_etcd(url);
    return {{"code", 200}};
}

json Runner::perform(const Step& step, State& state) {
    if (step.action == "compact") return compact();
    if (!step.action.empty()) throw std::runtime_error("no action " + step.action);
    if (!step.read.empty()) return read_watch(step, state);
    json answer = ask_until(step, to_http(step, state.variables), state);
    keep_variables(step, answer, state.variables);
    return only_shown(step, std::move(answer));
}

Transcript Runner::run(const Script& script) {
    Transcript out;
    State state;
    state.variables["ns"] = "conf-" + script.name;
    std::ranges::replace(state.variables["ns"].get_ref<std::string&>(), '_', '-');
    state.variables["hooks"] = hooks_.url();
    state.variables["ca"] = kube::base64_encode(hooks_.ca_pem());
    for (const auto& [name, value] : script.variables.items()) state.variables[name] = expand(value, state.variables);
    hooks_.answer_as(script.hooks);
    std::vector<Step> steps(1);
    steps[0].method = "POST";
    steps[0].target = "/api/v1/namespaces";
    steps[0].headers["Content-Type"] = "application/json";
    steps[0].body = {{"metadata", {{"name", "$ns"}}}};
    steps.insert(steps.end(), script.steps.begin(), script.steps.end());
    for (const Step& step : steps) {
        try {
            const json answer = perform(step, state);
            if (!step.name.empty()) {
                out.answers[step.name] = state.normalise(step.name, answer);
            } else if (!is_success(answer)) {
                throw std::runtime_error("a preparation failed: " + answer.dump());
            }
        } catch (const std::exception& exception) {
            out.failure = (step.name.empty() ? step.method + " " + step.target : step.name) + ": " + exception.what();
            break;
        }
    }
    return out;
}

}  // namespace endoscope::conformance
