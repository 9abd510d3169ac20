#include "api/debug_request.hpp"
#include "api/text.hpp"
#include "controller/container.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

namespace endoscope::fuzz {
namespace {

using api::DebugRequest;
using api::FieldError;
using api::parse_debug_request;

void check_error(const FieldError& error) {
    require(is_one_line(error.field), "an error names its field on one line");
    require(is_one_line(error.message), "an error is one line");
    require(!api::has_control_characters(error.text()), "an error can be printed");
}

/// What was read is written so that it is read the same again.
void check_round_trip(const DebugRequest& request) {
    const nlohmann::json written = api::to_json(request);
    const auto again = parse_debug_request(written);
    require(again.has_value(), "what is written can be read");
    require(*again == request, "what is written means the same");
    require(api::to_json(*again) == written, "it is always written the same way");
    require(controller::spec_digest(again->spec) == controller::spec_digest(request.spec), "its digest is the same");
}

void check_container_name(const DebugRequest& request) {
    const std::string name = controller::container_name(request, "pod-uid");
    require(name == controller::container_name(request, "pod-uid"), "a container's name is always the same");
    if (!request.spec.container_name.empty()) {
        require(name == request.spec.container_name, "a name that was asked for is used");
        return;
    }
    require(name.size() == 14 && name.starts_with("dbg-") && api::is_dns_label(name), "the default name is a label");
    require(name != controller::container_name(request, "another-uid"), "each Pod has its own name");
    DebugRequest other = request;
    other.spec.args.emplace_back("more");
    require(name != controller::container_name(other, "pod-uid"), "another request has another name");
    other = request;
    other.spec.requester =
        api::Requester{.username = "mallory", .uid = {}, .groups = {}, .extra = {}, .stamped_at = {}, .seal = {}};
    require(name == controller::container_name(other, "pod-uid"), "who asks makes no difference to the name");
}

/// What `validate` lets through is within the bounds that the schema has, counted here once more.
void check_valid(const DebugRequest& request) {
    const api::DebugRequestSpec& spec = request.spec;
    require(spec.reason.size() <= 4 * api::bounds::kReason && !spec.reason.contains('\n'), "the reason is one line");
    require(!spec.image.empty() && spec.image.size() <= 4 * api::bounds::kImage, "there is an image");
    require(
        (spec.target.pod_name.empty() ? 0 : 1) + (spec.target.selector ? 1 : 0) + (spec.target.workload ? 1 : 0) == 1,
        "there is one way to find the target");
    require(!spec.target.selector || !spec.target.selector->empty(), "no selector stands for all Pods");
    require(spec.command.size() <= api::bounds::kArguments && spec.args.size() <= api::bounds::kArguments,
            "there are not too many arguments");
    require(
        spec.deadline_seconds.value_or(1) >= 1 && spec.deadline_seconds.value_or(1) <= api::bounds::kMaxDeadlineSeconds,
        "the deadline is in its bounds");
    require(
        std::ranges::none_of(spec.env, [](const api::EnvVar& variable) { return variable.name == api::kRequestEnv; }),
        "the variable of ours is not taken");
    require(spec.container_name.empty() || api::is_dns_label(spec.container_name), "the container's name is a label");
    require(spec.mode == api::Mode::command || !spec.output_tail_lines, "only commands have output");
    const nlohmann::json container = controller::build_ephemeral_container(request, {.name = "dbg-x",
                                                                                     .image = "i",
                                                                                     .has_digest = false,
                                                                                     .target_container = "c",
                                                                                     .profile = "p",
                                                                                     .security_context = {}});
    require(container.at("env").back().at("name") == api::kRequestEnv, "the container says whose it is");
    require(container.contains("stdin") == (spec.mode == api::Mode::interactive), "only a shell has an input");
    require(!container.contains("securityContext"), "nothing of a request reaches the security context");
    require(!container.contains("envFrom") && !container.contains("volumeMounts"), "no Secret is reached");
}

}  // namespace
}  // namespace endoscope::fuzz

/// The input: JSON, as the API server would hand it out.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    const auto document = json_of(text_of(data, size));
    if (!document) return 0;
    const auto request = parse_debug_request(*document);
    const auto same = parse_debug_request(without_nulls(*document));
    if (!request) {
        check_error(request.error());
        return 0;
    }
    require(same.has_value() && *request == *same, "null is the same as absent");
    check_round_trip(*request);
    check_container_name(*request);
    const auto errors = endoscope::api::validate(*request);
    for (const auto& error : errors) {
        check_error(error);
        require(error.field.starts_with("spec") || error.field.starts_with("metadata"), "an error names a known field");
    }
    if (errors.empty()) check_valid(*request);
    return 0;
}
