#include "tests/model/logs.hpp"

#include "tests/model/reads.hpp"

#include <algorithm>
#include <iterator>

namespace model {

namespace {

std::vector<std::string> names_of(const Json& pod, const char* list) {
    std::vector<std::string> names;
    for (const Json& container : array_at(pod, {"spec", list})) names.push_back(string_at(container, {"name"}));
    return names;
}

/// pkg/registry/core/pod/strategy.go, validateContainer.
Outcome<std::string> container_of(const Json& pod, const std::string& wanted) {
    const std::string name = string_at(pod, {"metadata", "name"});
    if (const auto names = names_of(pod, "containers"); wanted.empty() && names.size() == 1) return names.front();
    std::vector<std::string> all;
    for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
        std::ranges::move(names_of(pod, list), std::back_inserter(all));
    }
    if (wanted.empty()) {
        return std::unexpected(bad_request("a container name must be specified for pod " + name + ", choose one of: [" +
                                           join(all, " ") + "]"));
    }
    if (contains(all, wanted)) return wanted;
    return std::unexpected(bad_request("container " + wanted + " is not valid for pod " + name));
}

/// What the kubelet says of a container that has no log (pkg/kubelet/kubelet_pods.go, validateContainerLogStatus).
Outcome<Json> state_of(const Json& pod, const std::string& container) {
    const std::string subject =
        "container " + quote(container) + " in pod " + quote(string_at(pod, {"metadata", "name"}));
    for (const char* list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) {
        for (const Json& status : array_at(pod, {"status", list})) {
            if (string_at(status, {"name"}) != container) continue;
            const Json* state = find_at(status, {"state"});
            const Json* waiting = find_at(status, {"state", "waiting"});
            if (waiting == nullptr) return state != nullptr ? *state : Json::object();
            std::string why = string_at(*waiting, {"reason"});
            if (why == "ErrImagePull") why = "image can't be pulled";
            if (why == "ImagePullBackOff") why = "trying and failing to pull image";
            return std::unexpected(bad_request(subject + " is waiting to start: " + why));
        }
    }
    return std::unexpected(bad_request(subject + " is not available"));
}

std::string written_by(const Json& pod, const std::string& container, const Json& state) {
    if (string_at(state, {"terminated", "reason"}) == "StartError") return "";  // it never ran
    if (const Json* text = find_at(pod, {"metadata", "annotations", kLogAnnotation}); text != nullptr) {
        return text->get<std::string>();
    }
    return "the log of container " + container + " of Pod " + string_at(pod, {"metadata", "namespace"}) + "/" +
           string_at(pod, {"metadata", "name"}) + "\n";
}

std::string last_lines(const std::string& text, std::int64_t lines) {
    std::size_t start = text.size();
    while (lines-- > 0 && start > 0) {
        const std::size_t end = start < 2 ? std::string::npos : text.rfind('\n', start - 2);
        start = end == std::string::npos ? 0 : end + 1;
    }
    return text.substr(start);
}

}  // namespace

Outcome<LogOptions> log_options(const std::string& pod, const QueryParams& query) {
    for (const char* option : {"previous", "timestamps", "follow", "sinceSeconds", "sinceTime", "stream"}) {
        if (!query.get(option).empty() && query.get(option) != "false") {
            return std::unexpected(not_implemented("the option " + std::string(option) + " of container logs"));
        }
    }
    const auto lines = parse_number(query.get("tailLines"));
    if (!lines) return std::unexpected(lines.error());
    const auto bytes = parse_number(query.get("limitBytes"));
    if (!bytes) return std::unexpected(bytes.error());
    FieldErrors errors;
    if (*lines && **lines < 0) {
        errors.push_back(invalid_field("tailLines", std::to_string(**lines), "must be greater than or equal to 0"));
    }
    if (*bytes && **bytes < 1) {
        errors.push_back(invalid_field("limitBytes", std::to_string(**bytes), "must be greater than 0"));
    }
    if (!errors.empty()) return std::unexpected(invalid("", "PodLogOptions", pod, errors));
    return LogOptions{.container = query.get("container"), .lines = *lines, .bytes = *bytes};
}

Outcome<Reply> pod_log(const Json& pod, const LogOptions& options) {
    const auto container = container_of(pod, options.container);
    if (!container) return std::unexpected(container.error());
    Reply out;
    if (string_at(pod, {"spec", "nodeName"}).empty()) {
        out.code = 204;
        out.content_type.clear();
        return out;
    }
    const auto state = state_of(pod, *container);
    if (!state) return std::unexpected(state.error());
    out.content_type = "text/plain";
    out.text = written_by(pod, *container, *state);
    if (options.lines) out.text = last_lines(out.text, *options.lines);
    // Counted from the beginning of what is left: it cuts the end off.
    if (options.bytes) out.text.resize(std::min(out.text.size(), static_cast<std::size_t>(*options.bytes)));
    return out;
}

}  // namespace model
