// Whose rights are asked for, and what the answers of the API server are worth.
#include "controller/access_review.hpp"

#include "controller/subject.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using nlohmann::json;

kube::Result<std::string> answer(const std::string& status) {
    return R"({"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":)" + status + "}";
}

api::DebugRequestSpec asked_by(const std::string& username, const std::string& group) {
    api::Requester requester;
    requester.username = username;
    requester.uid = "7";
    requester.groups = {group};
    requester.extra = {{"k", {"v"}}};
    api::DebugRequestSpec spec;
    spec.requester = requester;
    return spec;
}

TEST(AccessReview, OnlyAnAllowanceWithoutReserveIsOne) {
    const std::pair<kube::Result<std::string>, Authorization> rows[] = {
        {answer(R"({"allowed":true})"), Authorization::allowed},
        {answer(R"({"allowed":true,"reason":"RBAC: allowed by RoleBinding"})"), Authorization::allowed},
        {answer(R"({"allowed":true,"evaluationError":""})"), Authorization::allowed},
        {answer(R"({"allowed":false})"), Authorization::denied},
        {answer(R"({"allowed":false,"reason":"RBAC: role \"x\" not found"})"), Authorization::denied},
        {answer(R"({"allowed":false,"denied":true})"), Authorization::denied},
        {answer(R"({"allowed":true,"denied":true})"), Authorization::denied},
        {answer(R"({"denied":true,"evaluationError":"webhook timed out"})"), Authorization::denied},
        {answer(R"({"allowed":true,"evaluationError":"webhook timed out"})"), Authorization::failed},
        {answer(R"({"allowed":false,"evaluationError":"webhook timed out"})"), Authorization::failed},
        {answer(R"({"allowed":true,"evaluationError":["odd"]})"), Authorization::failed},
        {answer("{}"), Authorization::denied},
        {answer(R"({"allowed":"true"})"), Authorization::denied},
        {answer(R"({"allowed":1})"), Authorization::denied},
        {answer("null"), Authorization::failed},
        {answer("true"), Authorization::failed},
        {R"({"kind":"SubjectAccessReview"})", Authorization::failed},
        {R"({"kind":"SelfSubjectAccessReview","status":{"allowed":true}})", Authorization::failed},
        {R"({"status":{"allowed":true}})", Authorization::failed},
        {R"({"kind":"Status","status":"Success"})", Authorization::failed},
        {"", Authorization::failed},
        {"<html>", Authorization::failed},
        {kube::fail(kube::ErrorKind::timeout, "no answer"), Authorization::failed},
        {kube::fail(kube::ErrorKind::forbidden, "may not create subjectaccessreviews"), Authorization::failed},
        {kube::fail(kube::ErrorKind::cancelled, "stopping"), Authorization::failed},
    };
    for (const auto& [said, expected] : rows) EXPECT_EQ(read_authorization(said), expected) << said.value_or("error");
}

TEST(AccessReview, TheAttributesAreThoseOfTheAct) {
    EXPECT_EQ(to_patch_pod("prod", "web"), json::parse(R"({"namespace":"prod","verb":"patch","group":"","version":"v1",
        "resource":"pods","subresource":"ephemeralcontainers","name":"web"})"));
    EXPECT_EQ(to_use_policy("prod", "main"), json::parse(R"({"namespace":"prod","verb":"use","group":"endoscope.dev",
        "resource":"debugpolicies","name":"main"})"));
    EXPECT_EQ(to_impersonate("alice"), json::parse(R"({"verb":"impersonate","group":"","version":"v1",
        "resource":"users","name":"alice"})"));
    EXPECT_EQ(to_impersonate("system:serviceaccount:ci:runner"),
              json::parse(R"({"verb":"impersonate","group":"","version":"v1","resource":"serviceaccounts",
        "namespace":"ci","name":"runner"})"));
    EXPECT_EQ(to_impersonate("system:serviceaccount:ci/runner")["resource"], "users");
}

TEST(Subject, IsTheAuthorWithAllThatWasStamped) {
    const api::DebugRequestSpec spec = asked_by("alice", "dev");
    const kube::UserInfo subject = subject_of(spec);
    EXPECT_EQ(subject.username, "alice");
    EXPECT_EQ(subject.uid, "7");
    EXPECT_EQ(subject.groups, std::vector<std::string>{"dev"});
    EXPECT_EQ(subject.extra.at("k"), std::vector<std::string>{"v"});
    EXPECT_EQ(subject_name(spec), "alice");
}

TEST(Subject, OfAnotherNothingIsKnownButTheName) {
    const std::pair<std::string, std::vector<std::string>> rows[] = {
        {"bob", {"system:authenticated"}},
        {"system:anonymous", {"system:unauthenticated"}},
        {"system:serviceaccount:ci:runner",
         {"system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"}},
        {"system:serviceaccount:ci:run:ner", {"system:authenticated"}},
        {"system:serviceaccount::runner", {"system:authenticated"}},
        {"system:serviceaccount:CI:runner", {"system:authenticated"}},
        {"system:masters", {"system:authenticated"}},
    };
    for (const auto& [name, groups] : rows) {
        api::DebugRequestSpec spec = asked_by("tool", "system:masters");
        spec.on_behalf_of_username = name;
        const kube::UserInfo subject = subject_of(spec);
        EXPECT_EQ(subject.username, name);
        EXPECT_EQ(subject.groups, groups) << name;
        EXPECT_TRUE(subject.uid.empty() && subject.extra.empty()) << "the author's are not theirs";
        EXPECT_EQ(author_of(spec).username, "tool");
        EXPECT_EQ(subject_name(spec), name);
    }
}

}  // namespace
}  // namespace endoscope::controller
