#include "api/debug_request.hpp"
#include "api/text.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

namespace endoscope::api {
namespace {

constexpr std::string_view kDnsLabel =
    "must be a DNS label: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit";

constexpr std::array<std::string_view, 5> kWorkloadKinds = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet",
                                                            "Job"};

class Validator final {
  public:
    std::vector<FieldError> run(const DebugRequestSpec& spec) {
        line("spec.reason", spec.reason, bounds::kReason);
        target(spec.target);
        image(spec.image);
        argv("spec.command", spec.command);
        argv("spec.args", spec.args);
        line("spec.workingDir", spec.working_dir, bounds::kWorkingDir);
        env(spec.env);
        if (!is_dns_label(spec.profile)) add("spec.profile", std::string(kDnsLabel));
        if (spec.run_as) run_as(*spec.run_as);
        optional_label("spec.containerName", spec.container_name);
        if (spec.deadline_seconds) {
            range("spec.deadlineSeconds", *spec.deadline_seconds, 1, bounds::kMaxDeadlineSeconds);
        }
        if (spec.output_tail_lines) output(spec);
        if (spec.on_behalf_of_username) on_behalf_of(*spec.on_behalf_of_username);
        return std::move(errors_);
    }

  private:
    void add(std::string field, std::string message) { errors_.push_back({std::move(field), std::move(message)}); }

    void at_most(const std::string& field, std::string_view text, std::size_t limit) {
        if (character_count(text) > limit) add(field, "must be at most " + std::to_string(limit) + " characters long");
    }

    void line(const std::string& field, std::string_view text, std::size_t limit) {
        at_most(field, text, limit);
        if (has_control_characters(text)) add(field, "must not contain control characters or line breaks");
    }

    void range(const std::string& field, std::int64_t value, std::int64_t least, std::int64_t most) {
        if (value >= least && value <= most) return;
        add(field, "must be from " + std::to_string(least) + " to " + std::to_string(most));
    }

    void optional_label(const std::string& field, std::string_view text) {
        if (!text.empty() && !is_dns_label(text)) add(field, std::string(kDnsLabel));
    }

    void target(const Target& target) {
        const int ways = (target.pod_name.empty() ? 0 : 1) + (target.selector ? 1 : 0) + (target.workload ? 1 : 0);
        if (ways != 1) add("spec.target", "must have exactly one of podName, selector, workload");
        if (target.selector && target.selector->empty()) {
            add("spec.target.selector", "must have matchLabels or matchExpressions; all Pods cannot be asked for");
        }
        if (target.workload) workload(*target.workload);
        if (!target.pod_name.empty() && !is_dns_subdomain(target.pod_name)) {
            add("spec.target.podName", "must be the name of a Pod: a DNS subdomain in lower case");
        }
        if (target.max_pods) {
            range("spec.target.maxPods", *target.max_pods, 1, bounds::kMaxPods);
            if (!target.selector && !target.workload) {
                add("spec.target.maxPods", "goes only with spec.target.selector or spec.target.workload");
            }
        }
        optional_label("spec.target.container", target.container);
    }

    void workload(const Workload& workload) {
        if (std::ranges::find(kWorkloadKinds, workload.kind) == kWorkloadKinds.end()) {
            add("spec.target.workload.kind", "must be one of Deployment, StatefulSet, DaemonSet, ReplicaSet, Job");
        }
        if (!is_dns_subdomain(workload.name)) {
            add("spec.target.workload.name", "must be the name of a workload: a DNS subdomain in lower case");
        }
    }

    void output(const DebugRequestSpec& spec) {
        range("spec.output.tailLines", *spec.output_tail_lines, 1, bounds::kMaxTailLines);
        if (spec.mode != Mode::command) add("spec.output", "goes only with mode: Command");
    }

    void on_behalf_of(std::string_view username) {
        if (username.empty()) add("spec.onBehalfOf.username", "is required");
        line("spec.onBehalfOf.username", username, bounds::kUsername);
    }

    void image(std::string_view image) {
        if (image.empty()) add("spec.image", "is required");
        at_most("spec.image", image, bounds::kImage);
    }

    void argv(const std::string& field, const std::vector<std::string>& items) {
        if (items.size() > bounds::kArguments) {
            add(field, "must have at most " + std::to_string(bounds::kArguments) + " items");
        }
        for (std::size_t i = 0; i < items.size(); ++i) {
            const std::string item = field + "[" + std::to_string(i) + "]";
            at_most(item, items[i], bounds::kArgument);
            no_nul(item, items[i]);
        }
    }

    void no_nul(const std::string& field, std::string_view text) {
        if (text.contains('\0')) add(field, "must not contain a NUL character");
    }

    void env(const std::vector<EnvVar>& variables) {
        if (variables.size() > bounds::kEnv) {
            add("spec.env", "must have at most " + std::to_string(bounds::kEnv) + " items");
        }
        std::set<std::string_view> seen;
        for (std::size_t i = 0; i < variables.size(); ++i) {
            const std::string item = "spec.env[" + std::to_string(i) + "]";
            const EnvVar& variable = variables[i];
            at_most(item + ".name", variable.name, bounds::kEnvName);
            if (!is_env_name(variable.name)) {
                add(item + ".name", "must be letters, digits, '_', '-' and '.', and not begin with a digit");
            }
            if (variable.name == kRequestEnv) add(item + ".name", "is reserved; choose another name");
            if (!seen.insert(variable.name).second) add(item + ".name", "is already in the list");
            at_most(item + ".value", variable.value, bounds::kEnvValue);
            no_nul(item + ".value", variable.value);
        }
    }

    void run_as(const RunAs& run_as) {
        if (run_as.user) range("spec.runAs.user", *run_as.user, 0, bounds::kMaxId);
        if (run_as.group) range("spec.runAs.group", *run_as.group, 0, bounds::kMaxId);
        if (run_as.match_target && (run_as.user || run_as.group)) {
            add("spec.runAs", "must not have user or group together with matchTarget: true");
        } else if (!run_as.match_target && !run_as.user) {
            // A group without a user is an error of the container runtimes (cri-api, LinuxContainerSecurityContext).
            add("spec.runAs", "must have user or matchTarget: true");
        }
    }

    std::vector<FieldError> errors_;
};

}  // namespace

std::vector<FieldError> validate(const DebugRequest& request) {
    return Validator().run(request.spec);
}

}  // namespace endoscope::api
