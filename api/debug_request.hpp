#pragma once

#include "api/condition.hpp"
#include "api/field_error.hpp"
#include "api/label_selector.hpp"
#include "api/phase.hpp"
#include "api/reason.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::api {

inline constexpr std::string_view kGroup = "endoscope.dev";
inline constexpr std::string_view kVersion = "v1alpha1";
inline constexpr std::string_view kApiVersion = "endoscope.dev/v1alpha1";

/// Bounds of a DebugRequest. The schema of the CRD repeats them; `validate` holds them where the schema is missing.
/// Lengths are in characters, as in OpenAPI.
namespace bounds {
inline constexpr std::size_t kReason = 1024;
inline constexpr std::size_t kImage = 1024;
inline constexpr std::size_t kArguments = 64;  ///< Items of `command`, and of `args`.
inline constexpr std::size_t kArgument = 4096;
inline constexpr std::size_t kWorkingDir = 1024;
inline constexpr std::size_t kEnv = 64;
inline constexpr std::size_t kEnvName = 128;
inline constexpr std::size_t kEnvValue = 4096;
inline constexpr std::int64_t kMaxDeadlineSeconds = 604800;  ///< Seven days.
inline constexpr std::int64_t kMaxId = 2147483647;           ///< runAs.user, runAs.group.
inline constexpr std::int64_t kMaxPods = 20;
inline constexpr std::int64_t kMaxTailLines = 1000;
inline constexpr std::int64_t kDefaultTailLines = 50;
inline constexpr std::size_t kUsername = 1024;
inline constexpr std::size_t kMessage = 1024;  ///< `status.message`, bytes.
}  // namespace bounds

/// The environment variable that every container of ours carries: "<namespace>/<name>" of its request.
inline constexpr std::string_view kRequestEnv = "ENDOSCOPE_REQUEST";

/// The finalizer of a request whose session has to be ended before the request may go.
inline constexpr std::string_view kFinalizer = "endoscope.dev/session";

enum class Mode : std::uint8_t { interactive, command };
enum class PullPolicy : std::uint8_t { always, if_not_present };

std::string_view to_string(Mode mode);
std::string_view to_string(PullPolicy policy);

/// `spec.target.workload`.
struct Workload {
    std::string kind;
    std::string name;

    bool operator==(const Workload&) const = default;
};

/// `spec.target`: exactly one of podName, selector, workload.
struct Target {
    std::string pod_name;
    std::optional<LabelSelector> selector;
    std::optional<Workload> workload;
    std::optional<std::int64_t> max_pods;
    std::string container;  ///< Empty: the Pod's default container.

    bool operator==(const Target&) const = default;
};

struct EnvVar {
    std::string name;
    std::string value;

    bool operator==(const EnvVar&) const = default;
};

/// `spec.runAs`.
struct RunAs {
    std::optional<std::int64_t> user;
    std::optional<std::int64_t> group;
    bool match_target = false;

    bool operator==(const RunAs&) const = default;
};

/// `spec.requester`: who asked, as the admission webhook saw it.
struct Requester {
    std::string username;
    std::string uid;
    std::vector<std::string> groups;
    std::map<std::string, std::vector<std::string>> extra;
    std::string stamped_at;  ///< RFC 3339.
    std::string seal;        ///< See controller/seal.hpp.

    bool operator==(const Requester&) const = default;
};

/// `spec`. Empty strings, lists and optionals stand for fields that are not set.
struct DebugRequestSpec {
    std::string reason;
    Target target;
    std::string image;
    std::optional<PullPolicy> image_pull_policy;
    Mode mode = Mode::interactive;
    std::vector<std::string> command;
    std::vector<std::string> args;
    std::string working_dir;
    std::vector<EnvVar> env;
    std::string profile = "restricted";
    std::optional<RunAs> run_as;
    std::string container_name;
    std::optional<std::int64_t> deadline_seconds;
    std::optional<std::int64_t> output_tail_lines;     ///< `output.tailLines`; set where `output` is.
    std::optional<std::string> on_behalf_of_username;  ///< `onBehalfOf.username`; set where `onBehalfOf` is.
    std::optional<Requester> requester;

    bool operator==(const DebugRequestSpec&) const = default;
};

/// One row of `status.targets`: one Pod.
struct TargetStatus {
    std::string pod_name;
    std::string pod_uid;
    std::string node_name;
    std::string container_name;
    std::string state;
    std::string reason;
    std::string message;
    std::string image_id;
    std::string started_at;   ///< RFC 3339.
    std::string finished_at;  ///< RFC 3339.
    std::optional<std::int64_t> exit_code;
    std::string output;

    bool operator==(const TargetStatus&) const = default;
};

/// Which policy accepted: `status.policy`.
struct PolicyRef {
    std::string name;
    std::string uid;
    std::int64_t generation = 0;

    bool operator==(const PolicyRef&) const = default;
};

/// `status`. Empty strings stand for fields that are not set.
struct DebugRequestStatus {
    std::int64_t observed_generation = 0;
    std::optional<Phase> phase;
    std::optional<Reason> reason;
    std::string message;
    std::optional<PolicyRef> policy;
    std::string image;
    std::vector<TargetStatus> targets;
    std::string started_at;
    std::string finished_at;
    std::string expires_at;
    std::string attach_command;
    std::string logs_command;
    std::vector<Condition> conditions;

    bool operator==(const DebugRequestStatus&) const = default;
};

/// A DebugRequest: the parts of its metadata that Endoscope uses, spec and status.
struct DebugRequest {
    std::string namespace_name;
    std::string name;
    std::string uid;
    std::string resource_version;
    std::int64_t generation = 0;
    std::string creation_timestamp;                 ///< RFC 3339; empty before the object is stored.
    std::optional<std::string> deletion_timestamp;  ///< RFC 3339.
    std::vector<std::string> finalizers;            ///< Everybody's, in order.
    DebugRequestSpec spec;
    DebugRequestStatus status;

    bool operator==(const DebugRequest&) const = default;
};

/// Reads an object as the API server stores it. Strict for the spec: an unknown field, a wrong type or an unknown word
/// is an error that names the field; null is the same as absent. Lenient for the status, which is a record and not an
/// input: what cannot be read there is left out. Does not check what `validate` checks. Never throws.
std::expected<DebugRequest, FieldError> parse_debug_request(const nlohmann::json& object);

/// Everything that is wrong with the spec, in the order of its fields; empty when it is right. Checks what the schema
/// of the CRD checks and what it cannot, so that a missing schema fails closed. The image's syntax is judged by
/// controller/image_reference.hpp.
std::vector<FieldError> validate(const DebugRequest& request);

/// The spec as JSON: a field that is not set, or has the value that it has by default, is always written the same way.
nlohmann::json to_json(const DebugRequestSpec& spec);

/// `spec.requester`.
nlohmann::json to_json(const Requester& requester);

/// The status as JSON, ready for the status subresource.
nlohmann::json to_json(const DebugRequestStatus& status);

/// The whole object with apiVersion and kind.
nlohmann::json to_json(const DebugRequest& request);

}  // namespace endoscope::api
