#pragma once

#include "controller/verdict.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace endoscope::controller::testing {

using nlohmann::json;

/// So many other requests with a place in a Pod, joining `container`.
inline std::map<std::string, std::string> others_in_pod(int number, const std::string& container = "side") {
    std::map<std::string, std::string> others;
    for (int i = 0; i < number; ++i) others["production/other-" + std::to_string(i)] = container;
    return others;
}

/// A case that is allowed: a request, a Pod and one policy as JSON, which a test changes before it judges.
struct Case {
    json request = json::parse(R"({"metadata":{"namespace":"production","name":"r","uid":"ru"},
        "spec":{"reason":"INC-1: slow","target":{"podName":"web"},"image":"busybox:1.36",
          "requester":{"username":"alice"}}})");
    json pod = json::parse(R"({"metadata":{"namespace":"production","name":"web","uid":"pu","labels":{"app":"web"}},
        "spec":{"nodeName":"n1","serviceAccountName":"web","containers":[{"name":"nginx"},{"name":"side"}],
          "initContainers":[{"name":"setup"}]},
        "status":{"phase":"Running"}})");
    json policy = json::parse(R"({"metadata":{"name":"main","uid":"mu","generation":3},
        "spec":{"namespaces":{"names":["production"]},"images":{"allow":["busybox"]},
          "profiles":["restricted","baseline","sysadmin"]}})");
    std::vector<json> more_policies = {};
    std::vector<json> more_pods = {};  ///< After `pod`.
    IdentityCheck identity = IdentityCheck::valid;
    std::optional<api::Labels> labels = api::Labels{{"tier", "prod"}};
    std::optional<Authorization> impersonation = std::nullopt;
    std::optional<Authorization> pod_permission = Authorization::allowed;
    std::map<std::string, Authorization> use_policy = {};
    bool pod_looked_up = true;
    Sessions sessions = {};

    json& spec() { return request["spec"]; }
    json& pod_spec() { return pod["spec"]; }
    json& rules() { return policy["spec"]; }

    /// Gives the Pod a debug container of that request, in that state (JSON; empty: none reported yet).
    void add_session(const std::string& of, const std::string& target, const std::string& state) {
        json& containers = pod["spec"]["ephemeralContainers"];
        const std::string name = "dbg-" + std::to_string(containers.size());
        json container = {{"name", name}, {"image", "busybox"}, {"targetContainerName", target}};
        if (!of.empty()) container["env"] = {{{"name", "ENDOSCOPE_REQUEST"}, {"value", of}}};
        containers.push_back(std::move(container));
        if (state.empty()) return;
        pod["status"]["ephemeralContainerStatuses"].push_back({{"name", name}, {"state", json::parse(state)}});
    }

    /// The policy again, under another name, to be changed.
    json& another_policy(const std::string& name) {
        more_policies.push_back(policy);
        more_policies.back()["metadata"]["name"] = name;
        return more_policies.back();
    }

    /// The Pod again, under other names, to be changed; the request is by label from then on.
    json& another_pod(const std::string& name) {
        spec()["target"].erase("podName");
        spec()["target"]["selector"] = {{"matchLabels", {{"app", "web"}}}};
        spec()["target"]["maxPods"] = more_pods.size() + 2;
        more_pods.push_back(pod);
        more_pods.back()["metadata"].update({{"name", name}, {"uid", name + "-uid"}});
        return more_pods.back();
    }

    template <class Judge>
    auto with_facts(Judge&& judge_facts) const {
        const auto parsed = api::parse_debug_request(request);
        if (!parsed) throw std::runtime_error(parsed.error().text());
        Facts facts{.request = *parsed};
        facts.identity = identity;
        facts.operator_namespace = "endoscope-system";
        facts.namespace_labels = labels;
        if (!policy.is_null()) facts.policies.push_back(CompiledPolicy::from_json(policy));
        for (const json& each : more_policies) facts.policies.push_back(CompiledPolicy::from_json(each));
        facts.impersonation = impersonation;
        facts.pod_permission = pod_permission;
        facts.use_policy = use_policy;
        if (pod_looked_up) {
            facts.pods.emplace();
            if (!pod.is_null()) facts.pods->push_back(parse_pod(pod).value());
            for (const json& each : more_pods) facts.pods->push_back(parse_pod(each).value());
        }
        facts.sessions = sessions;
        return std::forward<Judge>(judge_facts)(facts);
    }

    std::variant<Verdict, Need> judge_or_need() const {
        return with_facts([](const Facts& facts) { return judge(facts); });
    }
    Verdict verdict() const { return std::get<Verdict>(judge_or_need()); }
    std::optional<Verdict> denial_without_look_ups() const {
        return with_facts([](const Facts& facts) { return expected_denial(facts); });
    }
};

}  // namespace endoscope::controller::testing
