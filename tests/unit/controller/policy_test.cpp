#include "controller/policy.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

using nlohmann::json;
using Selection = CompiledPolicy::Selection;

json minimal() {
    return json::parse(R"({"metadata":{"name":"p","uid":"u","generation":2,"resourceVersion":"7"},
        "spec":{"namespaces":{"names":["prod-*"]},"images":{"allow":["busybox:1.*"],"deny":["**:latest"]},
          "profiles":["restricted"]}})");
}

struct Row {
    const char* pointer;
    const char* value;
    const char* field;
};

TEST(Policy, ErrorsNameTheField) {
    const Row rows[] = {
        {"/spec/namespaces/names", R"(["Prod"])", "spec.namespaces.names[0]"},
        {"/spec/namespaces/names", R"(["a","b c*"])", "spec.namespaces.names[1]"},
        {"/spec/namespaces/names", R"([""])", "spec.namespaces.names[0]"},
        {"/spec/images/allow", R"(["a","**/x"])", "spec.images.allow[1]"},
        {"/spec/images/deny", R"(["Docker/x"])", "spec.images.deny[0]"},
        {"/spec/profiles", R"(["restricted","legacy"])", "spec.profiles[1]"},
        {"/spec/profiles", R"(["*"])", "spec.profiles[0]"},
        {"/spec/requesters", R"({"serviceAccounts":["argocd"]})", "spec.requesters.serviceAccounts[0]"},
        {"/spec/requesters", R"({"serviceAccounts":["*/x"]})", "spec.requesters.serviceAccounts[0]"},
        {"/spec/runAs", R"({"minUser":-1})", "spec.runAs.minUser"},
        {"/spec/runAs", R"({"defaultUser":0})", "spec.runAs.defaultUser"},
        {"/spec/env", R"({"allowedNames":["A=B"]})", "spec.env.allowedNames[0]"},
        {"/spec/commands", R"([["ps"],[]])", "spec.commands[1]"},
        {"/spec/targets", R"({"containers":["A"]})", "spec.targets.containers[0]"},
        {"/spec/targets", R"({"allowServiceAccounts":["a/b"]})", "spec.targets.allowServiceAccounts[0]"},
        {"/spec/reason", R"j({"pattern":"("})j", "spec.reason.pattern"},
        {"/spec/reason", R"j({"pattern":"(?=x)"})j", "spec.reason.pattern"},
        {"/spec/reason", R"({"pattern":"((a{1000}){1000}){1000}"})", "spec.reason.pattern"},
        {"/spec/limits", R"({"maxDeadlineSeconds":0})", "spec.limits.maxDeadlineSeconds"},
        {"/spec/limits", R"({"maxDeadlineSeconds":604801})", "spec.limits.maxDeadlineSeconds"},
        {"/spec/limits", R"({"defaultDeadlineSeconds":-1})", "spec.limits.defaultDeadlineSeconds"},
        {"/spec/limits", R"({"startDeadlineSeconds":0})", "spec.limits.startDeadlineSeconds"},
        {"/spec/limits", R"({"maxPerPod":0})", "spec.limits.maxPerPod"},
        {"/spec/limits", R"({"maxActivePerNamespace":-1})", "spec.limits.maxActivePerNamespace"},
        {"/spec/limits", R"({"maxActivePerRequester":0})", "spec.limits.maxActivePerRequester"},
        {"/spec/limits", R"({"maxPods":21})", "spec.limits.maxPods"},
        {"/spec/unknown", "1", "spec.unknown"},
        {"/spec/images", "[]", "spec.images"},
        {"/spec/onExpiry", R"("Kill")", "spec.onExpiry"},
        {"/spec/afterSession", R"("Terminate")", "spec.afterSession"},
        {"/spec/approval", R"({"required":6})", "spec.approval.required"},
        {"/spec/namespaces/names", R"(["prod_*"])", "spec.namespaces.names[0]"},
        {"/spec/namespaces/names", R"(["Prod*"])", "spec.namespaces.names[0]"},
        {"/spec/namespaces/names", R"(["a.b*"])", "spec.namespaces.names[0]"},
        {"/spec/targets", R"({"allowServiceAccounts":["ok.*","not ok*"]})", "spec.targets.allowServiceAccounts[1]"},
        {"/spec/env", R"({"allowedNames":["LC_*","L C*"]})", "spec.env.allowedNames[1]"},
        {"/spec/requesters", R"({"serviceAccounts":["a/B"]})", "spec.requesters.serviceAccounts[0]"},
        {"/spec/requesters", R"({"serviceAccounts":["a/b/c"]})", "spec.requesters.serviceAccounts[0]"},
        {"/spec/approval", R"({"timeoutSeconds":0})", "spec.approval.timeoutSeconds"},
        {"/spec/customProfiles", R"([{"name":"restricted"}])", "spec.customProfiles[0].name"},
        {"/spec/customProfiles", R"([{"name":"a"},{"name":"a"}])", "spec.customProfiles[1].name"},
        {"/spec/customProfiles", R"([{"name":"a","securityContext":{"runAsUser":-1}}])",
         "spec.customProfiles[0].securityContext.runAsUser"},
        {"/spec/customProfiles", R"([{"name":"a","securityContext":{"hostPID":true}}])",
         "spec.customProfiles[0].securityContext.hostPID"},
    };
    for (const Row& row : rows) {
        json object = minimal();
        object[json::json_pointer(row.pointer)] = json::parse(row.value);
        const auto policy = CompiledPolicy::from_json(object);
        ASSERT_TRUE(policy->error()) << row.pointer << " " << row.value;
        EXPECT_EQ(policy->error()->field, row.field) << policy->error()->text();
    }
}

TEST(Policy, AcceptsEverythingOfThisVersion) {
    json object = minimal();
    object["spec"].update(json::parse(R"({"authorization":"UsePolicy",
        "requesters":{"serviceAccounts":["argocd/argocd-application-controller"]},"approval":{"required":2},
        "customProfiles":[{"name":"tcpdump","securityContext":{"capabilities":{"add":["NET_RAW"]}}},{"name":"plain"}],
        "runAs":{"minUser":0,"defaultUser":1},"env":{"allowedNames":["TERM","LC_*"]},"commands":[["ps"]],
        "targets":{"containers":["nginx","app-*"],"allowServiceAccounts":["web.x","*"]},
        "reason":{"pattern":"^[A-Z]+-[0-9]+"},"limits":{"maxDeadlineSeconds":60,"defaultDeadlineSeconds":3600},
        "onExpiry":"Report","afterSession":"Keep"})"));
    const auto policy = CompiledPolicy::from_json(object);
    EXPECT_FALSE(policy->error()) << policy->error()->text();
    EXPECT_EQ(policy->name(), "p");
    EXPECT_EQ(policy->uid(), "u");
    EXPECT_EQ(policy->generation(), 2);
    EXPECT_EQ(policy->resource_version(), "7");
}

TEST(Policy, ThePatternOfTheReasonHasABound) {
    json object = minimal();
    object["spec"]["reason"] = {{"pattern", std::string(512, 'x')}};
    EXPECT_FALSE(CompiledPolicy::from_json(object)->error());
    object["spec"]["reason"] = {{"pattern", std::string(513, 'x')}};
    ASSERT_TRUE(CompiledPolicy::from_json(object)->error());
    EXPECT_EQ(CompiledPolicy::from_json(object)->error()->field, "spec.reason.pattern");
}

TEST(Policy, GlobsMayHaveWhatNamesHave) {
    json object = minimal();
    object["spec"]["namespaces"]["names"] = {"az09-*", std::string(252, 'x') + "*"};
    object["spec"]["targets"] = {{"containers", {"az09-*"}}, {"allowServiceAccounts", {"az.09-*"}}};
    object["spec"]["env"] = {{"allowedNames", {"azAZ09_-.*", "x.y-z_0"}}};
    const auto policy = CompiledPolicy::from_json(object);
    EXPECT_FALSE(policy->error()) << policy->error()->text();
}

TEST(Policy, TheBoundsThemselvesAreAllowed) {
    for (const char* bounds : {R"({"limits":{"maxDeadlineSeconds":1,"defaultDeadlineSeconds":1,"startDeadlineSeconds":1,
             "maxPerPod":1,"maxActivePerNamespace":1,"maxActivePerRequester":1,"maxPods":1},
             "runAs":{"minUser":0,"defaultUser":1},"approval":{"required":0,"timeoutSeconds":1}})",
                               R"({"limits":{"maxDeadlineSeconds":604800,"defaultDeadlineSeconds":604800,
             "startDeadlineSeconds":86400,"maxPerPod":100,"maxActivePerNamespace":10000,"maxActivePerRequester":10000,
             "maxPods":20},"runAs":{"minUser":2147483647,"defaultUser":2147483647},
             "approval":{"required":5,"timeoutSeconds":604800}})"}) {
        json object = minimal();
        object["spec"].update(json::parse(bounds));
        const auto policy = CompiledPolicy::from_json(object);
        EXPECT_FALSE(policy->error()) << policy->error()->text();
    }
}

TEST(Policy, ItsOwnProfilesAreAllowedByBeingThere) {
    json object = minimal();
    object["spec"]["profiles"] = json::array();
    object["spec"]["customProfiles"] =
        json::parse(R"([{"name":"tcpdump","securityContext":{"capabilities":{"add":["NET_RAW"]}}}])");
    const auto policy = CompiledPolicy::from_json(object);
    ASSERT_FALSE(policy->error()) << policy->error()->text();
    ASSERT_NE(policy->profile("tcpdump"), nullptr);
    EXPECT_EQ(policy->profile("tcpdump")->capabilities_add, std::vector<std::string>{"NET_RAW"});
    EXPECT_EQ(policy->profile("restricted"), nullptr);
    object["spec"]["profiles"] = {"tcpdump", "baseline"};
    EXPECT_FALSE(CompiledPolicy::from_json(object)->error());
    object["spec"]["profiles"] = {"other"};
    ASSERT_TRUE(CompiledPolicy::from_json(object)->error());
    EXPECT_EQ(CompiledPolicy::from_json(object)->error()->field, "spec.profiles[0]");
}

TEST(Policy, SelectsNamespaces) {
    struct SelectRow {
        const char* namespaces;
        const char* name;
        Selection expected;
    };
    const SelectRow rows[] = {
        {R"({})", "production", Selection::not_selected},
        {R"({"selector":{}})", "production", Selection::not_selected},
        {R"({"names":["production"]})", "production", Selection::selected},
        {R"({"names":["production"]})", "production-2", Selection::not_selected},
        {R"({"names":["prod*"]})", "production", Selection::selected},
        {R"({"names":["prod-*"]})", "production", Selection::not_selected},
        {R"({"names":["*"]})", "production", Selection::selected},
        {R"({"selector":{"matchLabels":{"tier":"prod"}}})", "production", Selection::selected},
        {R"({"selector":{"matchLabels":{"tier":"dev"}}})", "production", Selection::not_selected},
        {R"({"names":["dev"],"selector":{"matchLabels":{"tier":"prod"}}})", "production", Selection::selected},
        // Only its own name selects kube-system.
        {R"({"names":["*"]})", "kube-system", Selection::not_selected},
        {R"({"names":["kube-*"]})", "kube-system", Selection::not_selected},
        {R"({"selector":{"matchLabels":{"tier":"prod"}}})", "kube-system", Selection::not_selected},
        {R"({"names":["kube-system"]})", "kube-system", Selection::selected},
    };
    const api::Labels labels{{"tier", "prod"}};
    for (const SelectRow& row : rows) {
        json object = minimal();
        object["spec"]["namespaces"] = json::parse(row.namespaces);
        const auto policy = CompiledPolicy::from_json(object);
        EXPECT_EQ(policy->selects(row.name, &labels), row.expected) << row.namespaces << " " << row.name;
    }
}

TEST(Policy, AsksForLabelsOnlyWhereTheyDecide) {
    json object = minimal();
    EXPECT_EQ(CompiledPolicy::from_json(object)->selects("dev", nullptr), Selection::not_selected);
    object["spec"]["namespaces"]["selector"] = json::parse(R"({"matchLabels":{"a":"b"}})");
    EXPECT_EQ(CompiledPolicy::from_json(object)->selects("dev", nullptr), Selection::needs_labels);
    EXPECT_EQ(CompiledPolicy::from_json(object)->selects("prod-1", nullptr), Selection::selected);
    EXPECT_EQ(CompiledPolicy::from_json(object)->selects("kube-system", nullptr), Selection::not_selected);
}

TEST(Policy, AnInvalidOneStillSelectsAndDenies) {
    const auto latest = *parse_image_reference("x:latest");
    json wrong_pattern = minimal();
    wrong_pattern["spec"]["images"]["deny"] = {"**/x", "**:latest"};
    json wrong_shape = minimal();
    wrong_shape["spec"]["limits"] = "many";
    json wrong_images = minimal();
    wrong_images["spec"]["images"] = json::parse(R"({"allow":"busybox","deny":[7,"**:latest"]})");
    for (const json& object : {wrong_pattern, wrong_shape, wrong_images}) {
        const auto policy = CompiledPolicy::from_json(object);
        ASSERT_TRUE(policy->error());
        EXPECT_EQ(policy->name(), "p");
        EXPECT_EQ(policy->selects("prod-1", nullptr), Selection::selected);
        EXPECT_NE(policy->denying(latest), nullptr);
    }
    for (const char* text :
         {"null", "1", "{}", R"({"metadata":1,"spec":2})", R"({"spec":{"namespaces":{"names":"*"}}})"}) {
        const auto policy = CompiledPolicy::from_json(json::parse(text));
        EXPECT_EQ(policy->selects("prod-1", nullptr), Selection::not_selected) << text;
    }
}

TEST(Policy, ImagesAndReason) {
    json object = minimal();
    object["spec"]["reason"] = {{"pattern", "^[A-Z]+-[0-9]+"}};
    const auto policy = CompiledPolicy::from_json(object);
    ASSERT_NE(policy->allowing(*parse_image_reference("busybox:1.36")), nullptr);
    EXPECT_EQ(policy->allowing(*parse_image_reference("busybox:1.36"))->text(), "busybox:1.*");
    EXPECT_EQ(policy->allowing(*parse_image_reference("busybox")), nullptr);
    EXPECT_NE(policy->denying(*parse_image_reference("busybox")), nullptr);
    EXPECT_TRUE(policy->reason_matches("INC-4711: 502 from checkout"));
    EXPECT_FALSE(policy->reason_matches("see INC-4711"));
    EXPECT_FALSE(policy->reason_matches(""));
    EXPECT_NE(policy->profile("restricted"), nullptr);
    EXPECT_EQ(policy->profile("sysadmin"), nullptr);
    EXPECT_EQ(policy->profile(""), nullptr);
    EXPECT_TRUE(CompiledPolicy::from_json(minimal())->reason_matches("anything"));
}

}  // namespace
}  // namespace endoscope::controller
