#include "tests/model/rbac.hpp"

#include <gtest/gtest.h>

namespace model {
namespace {

const std::string kRbac = "rbac.authorization.k8s.io/";

void put(Storage& storage, const std::string& table, const std::string& ns, const char* text) {
    const Json object = Json::parse(text);
    storage.put(kRbac + table, ns, string_at(object, {"metadata", "name"}), object);
}

Access access(const std::string& verb, const std::string& resource, const std::string& sub = "",
              const std::string& ns = "n", const std::string& name = "") {
    Access out;
    out.verb = verb;
    out.resource = resource;
    out.subresource = sub;
    out.ns = ns;
    out.name = name;
    return out;
}

UserInfo user(const std::string& name, std::vector<std::string> groups = {}) {
    UserInfo out;
    out.name = name;
    out.groups = std::move(groups);
    return out;
}

class Rbac : public ::testing::Test {
  protected:
    Rbac() {
        put(storage, "roles", "n", R"({"metadata":{"name":"r","namespace":"n"},"rules":[
            {"verbs":["patch"],"apiGroups":[""],"resources":["pods/ephemeralcontainers"]},
            {"verbs":["get"],"apiGroups":[""],"resources":["pods"],"resourceNames":["only"]}]})");
        put(storage, "rolebindings", "n", R"({"metadata":{"name":"b","namespace":"n"},
            "roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"alice"},
            {"kind":"Group","name":"devs"},{"kind":"ServiceAccount","name":"sa","namespace":"m"}]})");
        put(storage, "clusterroles", "", R"({"metadata":{"name":"c"},"rules":[
            {"verbs":["*"],"apiGroups":["*"],"resources":["*/log"]},
            {"verbs":["get"],"nonResourceURLs":["/metrics","/api/*"]}]})");
        put(storage, "clusterrolebindings", "", R"({"metadata":{"name":"cb"},
            "roleRef":{"kind":"ClusterRole","name":"c"},"subjects":[{"kind":"User","name":"carol"}]})");
    }
    bool allowed(const UserInfo& who, const Access& what) { return authorize(storage, who, what).allowed; }
    Storage storage;
};

TEST_F(Rbac, SubresourcesAreTheirOwnRight) {
    EXPECT_TRUE(allowed(user("alice"), access("patch", "pods", "ephemeralcontainers")));
    EXPECT_FALSE(allowed(user("alice"), access("patch", "pods")));
    EXPECT_FALSE(allowed(user("alice"), access("patch", "pods", "ephemeralcontainers", "other")));
    EXPECT_FALSE(allowed(user("alice"), access("patch", "pods", "ephemeralcontainers", "")));
}

TEST_F(Rbac, GroupsAndServiceAccountsAreSubjects) {
    EXPECT_TRUE(allowed(user("x", {"devs"}), access("patch", "pods", "ephemeralcontainers")));
    EXPECT_TRUE(allowed(user("system:serviceaccount:m:sa"), access("patch", "pods", "ephemeralcontainers")));
    EXPECT_FALSE(allowed(user("system:serviceaccount:n:sa"), access("patch", "pods", "ephemeralcontainers")));
    EXPECT_TRUE(allowed(user("x", {"system:masters"}), access("delete", "nodes", "", "")));
}

TEST_F(Rbac, ResourceNamesWildcardsAndUrls) {
    EXPECT_TRUE(allowed(user("alice"), access("get", "pods", "", "n", "only")));
    EXPECT_FALSE(allowed(user("alice"), access("get", "pods", "", "n", "other")));
    EXPECT_FALSE(allowed(user("alice"), access("list", "pods", "", "n")));
    EXPECT_TRUE(allowed(user("carol"), access("get", "pods", "log", "any")));
    EXPECT_FALSE(allowed(user("carol"), access("get", "pods", "", "any")));
    Access path;
    path.verb = "get";
    path.path = "/api/v1";
    EXPECT_TRUE(allowed(user("carol"), path));
    path.path = "/apis";
    EXPECT_FALSE(allowed(user("carol"), path));
}

TEST_F(Rbac, ReasonsReadAsUpstreams) {
    EXPECT_EQ(authorize(storage, user("alice"), access("patch", "pods", "ephemeralcontainers")).reason,
              R"(RBAC: allowed by RoleBinding "b/n" of Role "r" to User "alice")");
    EXPECT_EQ(denial(user("bob"), access("patch", "pods", "ephemeralcontainers")),
              R"(User "bob" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "n")");
    EXPECT_EQ(denial(user("bob"), access("list", "nodes", "", "")),
              R"(User "bob" cannot list resource "nodes" in API group "" at the cluster scope)");
}

}  // namespace
}  // namespace model
