// Several policies, missing facts, what may be said to whom, and properties that hold for any case.

#include "tests/unit/controller/verdict_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace endoscope::controller {
namespace {

using api::Reason;
using testing::Case;
using testing::json;
using What = Need::What;

TEST(VerdictPolicies, OneThatAcceptsIsEnough) {
    Case c;
    c.rules()["profiles"] = {"baseline"};
    c.another_policy("other")["spec"]["profiles"] = {"restricted"};
    const Verdict verdict = c.verdict();
    EXPECT_TRUE(verdict.allowed);
    EXPECT_EQ(verdict.policy->name, "other");
    ASSERT_EQ(verdict.policies.size(), 2U);
    EXPECT_EQ(verdict.policies[0].reason, Reason::profile_not_allowed);
    EXPECT_TRUE(verdict.policies[1].accepted);
}

TEST(VerdictPolicies, NoTwoHalvesMakeAWhole) {
    Case c;
    c.rules()["profiles"] = {"baseline"};  // Allows the image only.
    c.another_policy("other")["spec"].update(
        json::parse(R"({"profiles":["restricted"],"images":{"allow":["nginx"]}})"));
    EXPECT_FALSE(c.verdict().allowed);
}

TEST(VerdictPolicies, OfSeveralThatAcceptTheFirstByNameIsRecorded) {
    Case c;
    c.another_policy("a-first");
    c.another_policy("z-last");
    EXPECT_EQ(c.verdict().policy->name, "a-first");
}

TEST(VerdictPolicies, ADenyPatternOfAnyOfThemDenies) {
    Case c;
    json& guard = c.another_policy("guard");
    guard["spec"] = json::parse(R"({"namespaces":{"names":["*"]},"images":{"deny":["*:1.*"]}})");
    const Verdict verdict = c.verdict();
    EXPECT_EQ(verdict.reason, Reason::image_denied);
    EXPECT_NE(verdict.message.find("guard"), std::string::npos);
    EXPECT_EQ(verdict.policies.size(), 2U);
    // Also of one that is invalid elsewhere,
    c.more_policies[0]["spec"]["images"]["allow"] = {"**/x"};
    EXPECT_EQ(c.verdict().reason, Reason::image_denied);
    c.more_policies[0]["spec"]["limits"] = "many";
    EXPECT_EQ(c.verdict().reason, Reason::image_denied);
    // also of one whose use the requester has no right to,
    c.more_policies[0]["spec"] =
        json::parse(R"({"namespaces":{"names":["*"]},"images":{"deny":["*:1.*"]},"authorization":"UsePolicy"})");
    c.use_policy["guard"] = Authorization::denied;
    EXPECT_EQ(c.verdict().reason, Reason::image_denied);
    // but not of one for another namespace.
    c.more_policies[0]["spec"]["namespaces"]["names"] = {"dev"};
    EXPECT_TRUE(c.verdict().allowed);
}

TEST(VerdictPolicies, TheReasonIsThatOfTheOneThatGotFurthestThenByName) {
    Case c;
    c.rules()["profiles"] = {"baseline"};                          // main: ProfileNotAllowed
    c.another_policy("a")["spec"]["images"]["allow"] = {"nginx"};  // a: ImageNotAllowed
    Verdict verdict = c.verdict();
    EXPECT_EQ(verdict.reason, Reason::profile_not_allowed);
    EXPECT_EQ(verdict.policy->name, "main");
    c.another_policy("b");  // b: ProfileNotAllowed, earlier name
    verdict = c.verdict();
    EXPECT_EQ(verdict.policy->name, "b");
    c.another_policy("z")["spec"].update(json::parse(R"({"profiles":["restricted"],"reason":{"pattern":"^X"}})"));
    verdict = c.verdict();
    EXPECT_EQ(verdict.reason, Reason::reason_not_accepted);
    EXPECT_EQ(verdict.policy->name, "z");
    EXPECT_EQ(verdict.policies.size(), 4U);
}

TEST(VerdictPolicies, AnInvalidOneIsReportedOnlyWhereThereIsNoOther) {
    Case c;
    c.another_policy("broken")["spec"]["limits"] = {{"maxPods", 0}};
    Verdict verdict = c.verdict();
    EXPECT_TRUE(verdict.allowed);
    EXPECT_EQ(verdict.policies[0].reason, Reason::policy_invalid);
    c.pod_permission = Authorization::denied;
    EXPECT_EQ(c.verdict().reason, Reason::not_authorized);
}

TEST(VerdictPolicies, AFailedCheckIsNeverFinalAndNeverAnAllowance) {
    Case c;
    json& other = c.another_policy("other");
    other["spec"]["authorization"] = "UsePolicy";
    c.use_policy["other"] = Authorization::failed;
    EXPECT_TRUE(c.verdict().allowed);  // By the first policy.
    c.rules()["images"]["allow"] = {"nginx"};
    EXPECT_EQ(c.verdict().reason, Reason::authorization_failed);  // The second might have accepted.
    c.use_policy["other"] = Authorization::denied;
    EXPECT_EQ(c.verdict().reason, Reason::image_not_allowed);
}

TEST(VerdictNeeds, LookUpsAreAskedForOneByOneAndOnlyWhenNeeded) {
    Case c;
    c.labels.reset();
    c.pod_permission.reset();
    c.pod_looked_up = false;
    c.rules()["namespaces"] = json::parse(R"({"selector":{"matchLabels":{"tier":"prod"}}})");
    c.another_policy("use")["spec"]["authorization"] = "UsePolicy";
    const auto need = [&] { return std::get<Need>(c.judge_or_need()); };

    c.identity = IdentityCheck::missing;
    EXPECT_EQ(c.verdict().reason, Reason::identity_missing);
    c.identity = IdentityCheck::valid;
    EXPECT_EQ(need().what, What::namespace_labels);
    c.labels = api::Labels{{"tier", "dev"}};
    EXPECT_EQ(c.verdict().reason, Reason::no_policy);
    c.labels = api::Labels{{"tier", "prod"}};
    EXPECT_EQ(need().what, What::pod_permission);
    c.pod_permission = Authorization::denied;
    EXPECT_EQ(need().what, What::use_policy);
    EXPECT_EQ(need().policy, "use");
    c.use_policy["use"] = Authorization::denied;
    EXPECT_EQ(c.verdict().reason, Reason::not_authorized);  // And nobody looked for the Pod.
    c.use_policy["use"] = Authorization::allowed;
    EXPECT_EQ(need().what, What::pods);
    c.pod_looked_up = true;
    EXPECT_TRUE(c.verdict().allowed);
    EXPECT_EQ(c.verdict().policy->name, "use");
}

TEST(VerdictNeeds, WhoeverAsksForAnotherIsAskedAboutFirst) {
    Case c;
    c.spec()["onBehalfOf"] = {{"username", "bob"}};
    c.pod_permission.reset();
    c.pod_looked_up = false;
    EXPECT_EQ(std::get<Need>(c.judge_or_need()).what, What::impersonation);
    EXPECT_FALSE(c.denial_without_look_ups());
    c.impersonation = Authorization::denied;
    EXPECT_EQ(c.verdict().reason, Reason::not_authorized);  // And nobody asked about the Pod.
    c.impersonation = Authorization::failed;
    EXPECT_EQ(c.verdict().reason, Reason::authorization_failed);
    c.impersonation = Authorization::allowed;
    EXPECT_EQ(std::get<Need>(c.judge_or_need()).what, What::pod_permission);
    // A policy that is invalid needs no answer.
    c.impersonation.reset();
    c.rules()["limits"] = 1;
    EXPECT_EQ(c.verdict().reason, Reason::policy_invalid);
}

TEST(VerdictNeeds, TheOwnNamespaceNeedsNoLookUp) {
    Case c;
    c.labels.reset();
    c.rules()["namespaces"] = json::parse(R"({"selector":{"matchLabels":{"tier":"prod"}}})");
    c.request["metadata"]["namespace"] = "endoscope-system";
    EXPECT_EQ(c.verdict().reason, Reason::namespace_protected);
}

TEST(ExpectedDenial, JudgesWhatNeedsNoLookUp) {
    Case c;
    c.pod_permission.reset();
    c.pod_looked_up = false;
    EXPECT_FALSE(c.denial_without_look_ups());  // No denial, which is no allowance.
    struct Row {
        Reason reason;
        std::function<void(Case&)> change;
    };
    const Row rows[] = {
        {Reason::invalid_image_reference, [](Case& x) { x.spec()["image"] = "A/b"; }},
        {Reason::no_policy, [](Case& x) { x.policy = nullptr; }},
        {Reason::requester_not_allowed,
         [](Case& x) { x.spec()["requester"]["username"] = "system:serviceaccount:a:b"; }},
        {Reason::image_not_allowed, [](Case& x) { x.spec()["image"] = "nginx"; }},
        {Reason::profile_not_allowed, [](Case& x) { x.spec()["profile"] = "general"; }},
        {Reason::run_as_not_allowed, [](Case& x) { x.spec()["runAs"] = {{"matchTarget", true}}; }},
        {Reason::reason_not_accepted, [](Case& x) { x.rules()["reason"] = {{"pattern", "^X"}}; }},
        {Reason::deadline_too_long, [](Case& x) { x.spec()["deadlineSeconds"] = 90000; }},
        {Reason::limit_exceeded, [](Case& x) { x.sessions.in_namespace = 20; }},
    };
    for (const Row& row : rows) {
        Case changed = c;
        row.change(changed);
        const auto denial = changed.denial_without_look_ups();
        ASSERT_TRUE(denial) << api::to_string(row.reason);
        EXPECT_EQ(denial->reason, row.reason) << denial->message;
    }
    // Rules that need the Pod are passed over.
    Case passed_over = c;
    passed_over.rules()["runAs"] = {{"allowMatchTarget", true}};
    passed_over.spec()["runAs"] = {{"matchTarget", true}};
    passed_over.rules()["targets"] = json::parse(R"({"containers":["x"],"podSelector":{"matchLabels":{"a":"b"}}})");
    passed_over.rules()["limits"]["exclusive"] = true;
    passed_over.sessions.in_pod["web"] = {{"production/other", "nginx"}};
    EXPECT_FALSE(passed_over.denial_without_look_ups());
    // Labels decide which policies apply: without them nothing is certain.
    Case unknown = c;
    unknown.labels.reset();
    unknown.rules()["namespaces"] = json::parse(R"({"selector":{"matchLabels":{"tier":"prod"}}})");
    unknown.spec()["image"] = "nginx";
    EXPECT_FALSE(unknown.denial_without_look_ups());
}

TEST(VerdictSecrecy, WhoIsNotAuthorisedLearnsNothingAboutThePod) {
    Case there;
    there.pod_permission = Authorization::denied;
    Case missing = there;
    missing.pod = nullptr;
    Case broken = there;
    broken.pod_spec()["hostPID"] = true;
    broken.spec()["target"]["container"] = "secret";
    Case not_looked_up = there;
    not_looked_up.pod_looked_up = false;
    const Verdict verdict = there.verdict();
    for (const Case& other : {missing, not_looked_up}) {
        EXPECT_EQ(other.verdict().reason, verdict.reason);
        EXPECT_EQ(other.verdict().message, verdict.message);
        EXPECT_EQ(other.verdict().policies[0].message, verdict.policies[0].message);
    }
    EXPECT_EQ(broken.verdict().message, verdict.message);
    EXPECT_EQ(broken.verdict().message.find("nginx"), std::string::npos);
}

TEST(VerdictSecrecy, PoliciesOfOtherNamespacesAreNotNamed) {
    Case c;
    c.another_policy("tenant-b")["spec"]["namespaces"]["names"] = {"tenant-b"};
    c.spec()["image"] = "nginx";
    const Verdict verdict = c.verdict();
    EXPECT_EQ(verdict.policies.size(), 1U);
    EXPECT_EQ(verdict.message.find("tenant-b"), std::string::npos);
}

TEST(VerdictSecrecy, MessagesAreOneShortLineOfCleanText) {
    Case c;
    c.spec()["requester"]["username"] = "a\nb\x1b[31m\u2028" + std::string(2000, 'x');
    c.pod_permission = Authorization::denied;
    const std::string message = c.verdict().message;
    EXPECT_LE(message.size(), 1024U);
    EXPECT_EQ(message.find_first_of("\n\x1b"), std::string::npos);
}

TEST(VerdictSecrecy, ListsOfAPolicyAreQuotedToTheAuthorisedOnly) {
    struct Row {
        const char* secret;
        std::function<void(Case&)> change;
    };
    const Row rows[] = {
        {"quay.io/hidden/*", [](Case& c) { c.rules()["images"]["allow"] = {"quay.io/hidden/*"}; }},
        {"*:1.36", [](Case& c) { c.rules()["images"]["deny"] = {"*:1.36"}; }},
        {"sysadmin", [](Case& c) { c.rules()["profiles"] = {"sysadmin"}; }},
        {"5000",
         [](Case& c) {
             c.spec()["runAs"] = {{"user", 1}};
             c.rules()["runAs"] = {{"minUser", 5000}};
         }},
        {"HIDDEN_*",
         [](Case& c) {
             c.spec()["env"] = json::parse(R"([{"name":"A","value":""}])");
             c.rules()["env"] = {{"allowedNames", {"HIDDEN_*"}}};
         }},
        {"^OPS-", [](Case& c) { c.rules()["reason"] = {{"pattern", "^OPS-"}}; }},
    };
    for (const Row& row : rows) {
        Case c;
        row.change(c);
        EXPECT_NE(c.verdict().message.find(row.secret), std::string::npos) << c.verdict().message;
        c.pod_permission.reset();  // As at admission, where nobody has asked yet.
        c.pod_looked_up = false;
        const auto denial = c.denial_without_look_ups();
        ASSERT_TRUE(denial) << row.secret;
        EXPECT_EQ(denial->message.find(row.secret), std::string::npos) << denial->message;
        EXPECT_EQ(denial->policies.at(0).message.find(row.secret), std::string::npos);
    }
}

/// Random cases around the edge between allowed and denied.
class RandomCases {
  public:
    explicit RandomCases(unsigned seed) : random_(seed) {}

    Case next() {
        Case c;
        c.spec()["image"] =
            pick({"busybox", "busybox:1.36", "ghcr.io/acme/x:1", "nginx@sha256:" + std::string(64, '1')});
        c.spec()["profile"] = pick({"restricted", "baseline", "sysadmin"});
        for (int i = coin() + coin(); i > 0; --i) c.another_policy("p" + std::to_string(i));
        change(c.policy);
        for (json& policy : c.more_policies) change(policy);
        if (coin() && coin()) c.pod_permission = Authorization::denied;
        return c;
    }

    std::string pattern() {
        return pick({"busybox", "busybox:1.*", "**", "**:latest", "ghcr.io/**", "*", "ghcr.io/acme/*"});
    }
    bool coin() { return random_() % 2 == 0; }
    std::mt19937& engine() { return random_; }

  private:
    std::string pick(std::initializer_list<std::string> values) { return values.begin()[random_() % values.size()]; }

    json list(int most, const std::function<std::string()>& make) {
        json result = json::array();
        for (unsigned n = random_() % static_cast<unsigned>(most + 1); n > 0; --n) result.push_back(make());
        return result;
    }

    void change(json& policy) {
        json& spec = policy["spec"];
        spec["images"]["allow"] = list(3, [&] { return pattern(); });
        spec["images"]["deny"] = coin() ? list(1, [&] { return pattern(); }) : json::array();
        spec["profiles"] = list(3, [&] { return pick({"restricted", "baseline", "sysadmin"}); });
        if (coin() && coin()) spec["limits"]["maxPods"] = 0;
        if (coin() && coin()) spec["namespaces"]["names"] = {"dev"};
        spec["requesters"] = json::parse(R"({"serviceAccounts":["a/b","c/d"]})");
    }

    std::mt19937 random_;
};

TEST(VerdictProperties, OrderNeverMatters) {
    RandomCases cases(1);
    int allowed = 0;
    for (int i = 0; i < 500; ++i) {
        Case c = cases.next();
        const Verdict verdict = c.verdict();
        allowed += verdict.allowed ? 1 : 0;
        c.more_policies.push_back(c.policy);
        c.policy = nullptr;
        std::ranges::shuffle(c.more_policies, cases.engine());
        for (json& policy : c.more_policies) {
            for (const char* pointer : {"/spec/images/allow", "/spec/images/deny", "/spec/profiles"}) {
                auto& list = policy[json::json_pointer(pointer)].get_ref<json::array_t&>();
                std::ranges::shuffle(list, cases.engine());
            }
        }
        const Verdict again = c.verdict();
        ASSERT_EQ(again.allowed, verdict.allowed);
        ASSERT_EQ(again.reason, verdict.reason);
        ASSERT_EQ(again.policy ? again.policy->name : "", verdict.policy ? verdict.policy->name : "");
        ASSERT_EQ(again.policies.size(), verdict.policies.size());
    }
    EXPECT_GT(allowed, 50);
    EXPECT_LT(allowed, 450);
}

TEST(VerdictProperties, DenyingMoreOrAllowingLessNeverAllows) {
    RandomCases cases(2);
    for (int i = 0; i < 500; ++i) {
        const Case c = cases.next();
        if (c.verdict().allowed) continue;
        Case more = c;
        more.policy["spec"]["images"]["deny"].push_back(cases.pattern());
        ASSERT_FALSE(more.verdict().allowed);
        Case less = c;
        if (json& allow = less.policy["spec"]["images"]["allow"]; !allow.empty()) allow.erase(allow.size() - 1);
        ASSERT_FALSE(less.verdict().allowed);
    }
}

TEST(VerdictProperties, AnAllowanceHasAValidPolicyThatSaysSo) {
    RandomCases cases(3);
    for (int i = 0; i < 500; ++i) {
        const Case c = cases.next();
        const Verdict verdict = c.verdict();
        if (!verdict.allowed) continue;
        ASSERT_EQ(c.pod_permission, Authorization::allowed);
        const auto row = std::ranges::find(verdict.policies, verdict.policy->name, &PolicyRow::name);
        ASSERT_NE(row, verdict.policies.end());
        ASSERT_TRUE(row->accepted);
        ASSERT_EQ(verdict.containers.size(), 1U);
        const auto image = *parse_image_reference(verdict.image);
        std::vector<json> policies = c.more_policies;
        policies.push_back(c.policy);
        for (const json& policy : policies) {
            const auto compiled = CompiledPolicy::from_json(policy);
            const bool selects = compiled->selects("production", &*c.labels) == CompiledPolicy::Selection::selected;
            ASSERT_FALSE(selects && compiled->denying(image) != nullptr);
            if (compiled->name() != verdict.policy->name) continue;
            ASSERT_TRUE(selects && !compiled->error() && compiled->allowing(image) != nullptr);
        }
    }
}

}  // namespace
}  // namespace endoscope::controller
