#include "cmd/kubectl-endoscope/verdict_command.hpp"

#include "api/text.hpp"
#include "api/timestamp.hpp"
#include "cmd/kubectl-endoscope/cluster_files.hpp"
#include "cmd/kubectl-endoscope/verdict_output.hpp"
#include "controller/verdict.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
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

/// The Pod that a stored request is about.
bool is_about(const api::DebugRequest& active, const controller::PodView& pod) {
    if (active.namespace_name != pod.namespace_name) return false;
    return active.spec.target.pod_name == pod.name ||
           std::ranges::any_of(active.status.targets, [&](const auto& row) { return row.pod_name == pod.name; });
}

controller::Sessions count(const api::DebugRequest& request, const std::string& user, const controller::PodView* pod,
                           const std::vector<api::DebugRequest>& active) {
    controller::Sessions sessions;
    for (const api::DebugRequest& other : active) {
        if (other.namespace_name == request.namespace_name && other.name == request.name) continue;
        if (other.namespace_name == request.namespace_name) ++sessions.in_namespace;
        if (other.spec.requester && other.spec.requester->username == user) ++sessions.by_requester;
        if (pod == nullptr || !is_about(other, *pod)) continue;
        ++sessions.in_pod;
        const auto* const fallback = pod->default_target();
        if (!other.spec.target.container.empty()) {
            sessions.open_in_containers.push_back(other.spec.target.container);
        } else if (fallback != nullptr) {
            sessions.open_in_containers.push_back(fallback->name);
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

JudgedRequest judge(const RequestToJudge& document, const ClusterFiles& files, const VerdictOptions& options) {
    JudgedRequest judged{
        .namespace_name = document.namespace_name, .name = document.name, .verdict = {}, .request = {}};
    if (!document.request) {
        judged.verdict = controller::invalid_spec(document.request.error());
        return judged;
    }
    judged.request = *document.request;
    set_requester(judged.request, options);

    const auto pod = files.pods.find({document.namespace_name, judged.request.spec.target.pod_name});
    const auto* const view = pod == files.pods.end() ? nullptr : &pod->second;
    Facts facts{.request = judged.request};
    facts.identity = controller::IdentityCheck::valid;
    facts.operator_namespace = kOperatorNamespace;
    facts.policies = files.policies;
    if (const auto labels = files.namespaces.find(document.namespace_name); labels != files.namespaces.end()) {
        facts.namespace_labels = labels->second;
    } else {
        facts.namespace_labels = api::Labels();
    }
    (*facts.namespace_labels)[kNameLabel] = document.namespace_name;
    const Authorization authorization = options.unauthorized ? Authorization::denied : Authorization::allowed;
    facts.pod_permission = authorization;
    for (const auto& policy : files.policies) facts.use_policy[policy->name()] = authorization;
    facts.pod = controller::PodAbsent();
    if (view != nullptr) facts.pod = *view;
    facts.sessions = count(judged.request, judged.request.spec.requester->username, view, files.active);

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
    for (const std::string& file : options.files) {
        auto read = read_documents(file, streams.in);
        if (!read) return fail(read.error());
        std::ranges::move(*read, std::back_inserter(documents));
    }
    const ClusterFiles files = sort_documents(std::move(documents));
    for (const std::string& note : files.notes) streams.err << "note: " << note << '\n';
    for (const std::string& error : files.errors) fail(error);
    if (files.to_judge.empty()) return fail("there is no DebugRequest to judge");

    std::vector<JudgedRequest> judged;
    for (const RequestToJudge& document : files.to_judge) judged.push_back(judge(document, files, options));
    if (options.output == "json") {
        print_json(judged, streams.out);
    } else {
        print_text(judged, streams.out);
    }
    streams.out.flush();
    if (!files.errors.empty() || !streams.out) return kExitInvalid;
    return std::ranges::all_of(judged, [](const auto& each) { return each.verdict.allowed; }) ? kExitOk : kExitDenied;
}

}  // namespace endoscope::cli
