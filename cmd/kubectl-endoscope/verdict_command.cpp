#include "cmd/kubectl-endoscope/verdict_command.hpp"

#include "api/text.hpp"
#include "api/timestamp.hpp"
#include "cmd/kubectl-endoscope/cluster_files.hpp"
#include "cmd/kubectl-endoscope/verdict_output.hpp"
#include "controller/subject.hpp"
#include "controller/target_selection.hpp"
#include "controller/verdict.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <set>
#include <utility>

namespace endoscope::cli {
namespace {

using controller::Authorization;
using controller::Facts;
using controller::Verdict;

/// Namespace of an installation as it comes.
constexpr const char* kOperatorNamespace = "endoscope-system";

/// Where the label comes from that every namespace has, whatever its manifest says.
constexpr const char* kNameLabel = "kubernetes.io/metadata.name";

/// Name of the user where neither the flags nor the request say who asks.
constexpr const char* kSomeone = "someone";

/// The Pods in which an active request holds a place: those on record, else the one that it names. One without a name
/// where nobody can tell.
std::set<std::string> places_of(const api::DebugRequest& active) {
    std::set<std::string> pods;
    for (const api::TargetStatus& row : active.status.targets) pods.insert(row.pod_name);
    if (pods.empty()) pods.insert(active.spec.target.pod_name);
    return pods;
}

controller::Sessions count(const api::DebugRequest& request, const std::vector<api::DebugRequest>& active) {
    controller::Sessions sessions;
    for (const api::DebugRequest& other : active) {
        const bool same_namespace = other.namespace_name == request.namespace_name;
        if (same_namespace && other.name == request.name) continue;
        const bool same_subject = controller::subject_name(other.spec) == controller::subject_name(request.spec);
        for (const std::string& pod : places_of(other)) {
            if (same_subject) ++sessions.by_requester;
            if (!same_namespace) continue;
            ++sessions.in_namespace;
            sessions.in_pod[pod][other.namespace_name + "/" + other.name] = other.spec.target.container;
        }
    }
    return sessions;
}

void set_requester(api::DebugRequest& request, const VerdictOptions& options) {
    api::Requester requester = request.spec.requester.value_or(api::Requester{});
    if (!options.user.empty()) {
        requester = {.username = options.user,
                     .uid = options.uid,
                     .groups = options.groups,
                     .extra = {},
                     .stamped_at = {},
                     .seal = {}};
    }
    if (requester.username.empty()) requester.username = kSomeone;
    request.spec.requester = std::move(requester);
}

api::Labels labels_of(const std::string& namespace_name, const ClusterFiles& files) {
    const auto found = files.namespaces.find(namespace_name);
    api::Labels labels = found == files.namespaces.end() ? api::Labels() : found->second;
    labels[kNameLabel] = namespace_name;
    return labels;
}

/// The Pods that the request is about.
std::vector<controller::PodView> pods_of(const api::DebugRequest& request, const ClusterFiles& files) {
    std::vector<const controller::PodView*> candidates;
    for (const auto& [key, pod] : files.pods) {
        if (key.first == request.namespace_name) candidates.push_back(&pod);
    }
    std::vector<controller::PodView> chosen;
    for (const auto* const pod : controller::select_pods(request.spec.target, candidates)) chosen.push_back(*pod);
    return chosen;
}

JudgedRequest judge(const RequestToJudge& document, const ClusterFiles& files, const VerdictOptions& options) {
    JudgedRequest judged{
        .namespace_name = document.namespace_name, .name = document.name, .verdict = {}, .pods = {}, .request = {}};
    if (!document.request) {
        judged.verdict = controller::invalid_spec(document.request.error());
        return judged;
    }
    judged.request = *document.request;
    set_requester(judged.request, options);

    Facts facts{.request = judged.request};
    facts.identity = controller::IdentityCheck::valid;
    facts.operator_namespace = kOperatorNamespace;
    facts.policies = files.policies;
    facts.namespace_labels = labels_of(document.namespace_name, files);
    const Authorization authorization = options.unauthorized ? Authorization::denied : Authorization::allowed;
    facts.impersonation = authorization;
    facts.pod_permission = authorization;
    for (const auto& policy : files.policies) facts.use_policy[policy->name()] = authorization;
    facts.pods = pods_of(judged.request, files);
    facts.sessions = count(judged.request, files.active);
    for (const controller::PodView& pod : *facts.pods) judged.pods.push_back(pod.name);
    auto result = controller::judge(facts);
    // All facts are given, so that nothing is needed; were it so, the empty verdict denies.
    if (auto* const verdict = std::get_if<Verdict>(&result)) judged.verdict = std::move(*verdict);
    return judged;
}

}  // namespace

int run_verdict(const VerdictOptions& options, const Streams& streams) {
    const auto fail = [&](const std::string& message) {
        streams.err << "error: " << message << '\n';
        return kExitInvalid;
    };
    if (!options.now.empty() && !api::parse_timestamp(options.now)) return fail("--now: must be an RFC 3339 time");
    if (options.user.empty() && (!options.groups.empty() || !options.uid.empty())) {
        return fail("--as-group and --as-uid go only with --as");
    }
    std::vector<Document> documents;
    const auto names = expand_files(options.files);
    if (!names) return fail(names.error());
    for (const std::string& file : *names) {
        auto read = read_documents(file, streams.in);
        if (!read) return fail(read.error());
        std::ranges::move(*read, std::back_inserter(documents));
    }
    const ClusterFiles files = sort_documents(std::move(documents));
    for (const std::string& note : files.notes) streams.err << "note: " << note << '\n';
    for (const std::string& error : files.errors) fail(error);
    for (const std::string& invalid : files.invalid_policies) {
        streams.err << (options.strict ? "error: " : "warning: ") << invalid << "; the policy allows nothing\n";
    }
    if (files.to_judge.empty()) return fail("there is no DebugRequest to judge");

    std::vector<JudgedRequest> judged;
    for (const RequestToJudge& document : files.to_judge) judged.push_back(judge(document, files, options));
    if (options.output == "json") {
        print_json(judged, streams.out);
    } else {
        print_text(judged, streams.out);
    }
    streams.out.flush();
    const bool is_invalid = !files.errors.empty() || (options.strict && !files.invalid_policies.empty());
    if (is_invalid || !streams.out) return kExitInvalid;
    return std::ranges::all_of(judged, [](const auto& each) { return each.verdict.allowed; }) ? kExitOk : kExitDenied;
}

}  // namespace endoscope::cli
