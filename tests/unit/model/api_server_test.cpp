#include "fixture.hpp"

#include <boost/asio/this_coro.hpp>

namespace model::test {
namespace {

namespace asio = boost::asio;
using kube::test::ManualClock;
using kube::test::run_coro;

asio::awaitable<void> crud() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    auto crd_made = co_await ask(api, "POST", kCrds, crd());
    EXPECT_EQ(crd_made.code, 201) << crd_made.message();
    auto made = co_await ask(api, "POST", kThings, thing("a"));
    EXPECT_EQ(made.code, 201) << made.message();
    EXPECT_EQ(made.body["spec"]["mode"], "A");
    EXPECT_EQ(made.body["metadata"]["generation"], 1);
    auto again = co_await ask(api, "POST", kThings, thing("a"));
    EXPECT_EQ(again.reason(), "AlreadyExists");

    auto immutable = co_await ask(api, "PATCH", kThings + "/a", Json::parse(R"({"spec":{"image":"y"}})"), kMerge);
    EXPECT_EQ(immutable.code, 422);
    EXPECT_EQ(immutable.message(), R"(Thing.example.org "a" is invalid: spec: Invalid value: is immutable)");
    auto strategic = co_await ask(api, "PATCH", kThings + "/a", Json::object(), kStrategic);
    EXPECT_EQ(strategic.code, 415);
    auto apply = co_await ask(api, "PATCH", kThings + "/a", Json::object(), "application/apply-patch+yaml");
    EXPECT_EQ(apply.code, 415);

    auto no_op = co_await ask(api, "PATCH", kThings + "/a", Json::parse(R"({"spec":{"image":"x"}})"), kMerge);
    EXPECT_EQ(no_op.body["metadata"]["resourceVersion"], made.body["metadata"]["resourceVersion"]);
    auto status = co_await ask(api, "PATCH", kThings + "/a/status",
                               Json::parse(R"({"metadata":{"labels":{"no":"no"}},"status":{"phase":"P"}})"), kMerge);
    EXPECT_EQ(status.body["status"]["phase"], "P");
    EXPECT_FALSE(status.body["metadata"].contains("labels"));
    EXPECT_EQ(status.body["metadata"]["generation"], 1);

    Json stale = made.body;
    auto conflict = co_await ask(api, "PUT", kThings + "/a", stale);
    EXPECT_EQ(conflict.reason(), "Conflict");
    auto removed = co_await ask(api, "DELETE", kThings + "/a");
    EXPECT_EQ(removed.body["status"], "Success");
    auto gone = co_await ask(api, "GET", kThings + "/a");
    EXPECT_EQ(gone.message(), R"(things.example.org "a" not found)");
}

TEST(ApiServer, CustomResourcesFromBirthToDeath) {
    run_coro(crud());
}

asio::awaitable<void> field_validation() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    co_await ask(api, "POST", kCrds, crd());
    Json odd = thing("a");
    odd["spec"]["foo"] = 1;
    auto strict = co_await ask(api, "POST", kThings + "?fieldValidation=Strict", odd);
    EXPECT_EQ(strict.code, 400);
    EXPECT_NE(strict.message().find(R"(unknown field "spec.foo")"), std::string::npos);
    auto warned = co_await ask(api, "POST", kThings + "?dryRun=All", odd);
    EXPECT_EQ(warned.code, 201);
    EXPECT_EQ(warned.http.headers.get("Warning"), R"(299 - "unknown field \"spec.foo\"")");
    auto nothing = co_await ask(api, "GET", kThings + "/a");
    EXPECT_EQ(nothing.code, 404);
    Json guessing = crd();
    guessing["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"][0]
            ["rule"] = "isURL(self.image)";
    guessing["metadata"]["name"] = "others.example.org";
    guessing["spec"]["names"] = {{"plural", "others"}, {"kind", "Other"}};
    auto refused = co_await ask(api, "POST", kCrds, guessing);
    EXPECT_EQ(refused.code, 422);
    EXPECT_NE(refused.message().find("cannot evaluate this CEL rule"), std::string::npos) << refused.message();
    kube::HttpExchange exchange;
}

TEST(ApiServer, UnknownFieldsAndRulesItCannotJudge) {
    run_coro(field_validation());
}

asio::awaitable<void> paging() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    for (const char* name : {"a", "b", "c"}) co_await ask(api, "POST", kPods, pod(name));
    auto first = co_await ask(api, "GET", kPods + "?limit=2");
    EXPECT_EQ(first.body["items"].size(), 2U);
    EXPECT_EQ(first.body["metadata"]["remainingItemCount"], 1);
    const std::string token = string_at(first.body, {"metadata", "continue"});
    // A page shows the moment of the first one, whatever happens meanwhile.
    co_await ask(api, "POST", kPods, pod("d"));
    co_await ask(api, "DELETE", kPods + "/c?gracePeriodSeconds=0");
    auto second = co_await ask(api, "GET", kPods + "?limit=2&continue=" + token);
    EXPECT_EQ(second.body["items"].size(), 1U);
    EXPECT_EQ(second.body["items"][0]["metadata"]["name"], "c");
    EXPECT_EQ(second.body["metadata"]["resourceVersion"], first.body["metadata"]["resourceVersion"]);
    api.cluster().storage.compact(api.cluster().storage.version());
    auto late = co_await ask(api, "GET", kPods + "?limit=2&continue=" + token);
    EXPECT_EQ(late.code, 410);
    EXPECT_EQ(late.reason(), "Expired");
}

TEST(ApiServer, PagesAreOneSnapshotUntilItIsCompacted) {
    run_coro(paging());
}

asio::awaitable<void> access() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    auto bob = co_await ask(api, "GET", kPods, nullptr, kJson, "bob");
    EXPECT_EQ(
        bob.message(),
        R"(pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default")");
    auto nobody = co_await ask(api, "GET", kPods, nullptr, kJson, "");
    EXPECT_NE(nobody.message().find("system:anonymous"), std::string::npos);
    kube::HttpHeaders token;
    token.set("Authorization", "Bearer nonsense");
    auto unknown = co_await ask(api, "GET", kPods, nullptr, kJson, "", token);
    EXPECT_EQ(unknown.code, 401);
    kube::HttpHeaders as;
    as.set("Impersonate-User", "alice");
    auto forbidden = co_await ask(api, "GET", kPods, nullptr, kJson, "bob", as);
    EXPECT_EQ(forbidden.message(),
              R"(users "alice" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the )"
              R"(cluster scope)");
    auto sees = co_await ask(api, "GET", kPods, nullptr, kJson, "admin", as);
    EXPECT_NE(sees.message().find(R"(User "alice" cannot list)"), std::string::npos);
    const Json review = Json::parse(R"({"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{
        "user":"x","groups":["system:masters"],"resourceAttributes":{"verb":"patch","resource":"pods",
        "subresource":"ephemeralcontainers","namespace":"default","name":"p"}}})");
    auto allowed = co_await ask(api, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review);
    EXPECT_EQ(allowed.code, 201);
    EXPECT_EQ(allowed.body["status"]["allowed"], true);
}

TEST(ApiServer, AuthenticationImpersonationAndReviews) {
    run_coro(access());
}

asio::awaitable<void> refusals() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    co_await ask(api, "POST", kPods, pod("p"));
    auto attach = co_await ask(api, "GET", kPods + "/p/attach");
    EXPECT_EQ(attach.code, 501);
    auto nothing = co_await ask(api, "GET", "/apis/nope/v1/x");
    EXPECT_EQ(nothing.code, 404);
    EXPECT_EQ(nothing.http.body, "404 page not found\n");
    kube::HttpHeaders protobuf_only;
    protobuf_only.set("Accept", "application/vnd.kubernetes.protobuf");
    auto unacceptable = co_await ask(api, "GET", kPods, nullptr, kJson, "admin", protobuf_only);
    EXPECT_EQ(unacceptable.code, 406);
    auto yaml = co_await ask(api, "POST", kPods, Json("x"), "application/yaml");
    EXPECT_EQ(yaml.code, 415);
    for (const char* body : {"[]", "1", R"({"kind":"Pod","apiVersion":"v1","metadata":5})",
                             R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"spec":[]})",
                             R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","labels":{"a":1}}})"}) {
        auto answer = co_await ask(api, "POST", kPods, Json::parse(body));
        EXPECT_EQ(answer.code, 400) << body << answer.http.body;
    }
    auto lease = co_await ask(api, "POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases",
                              Json::parse(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease",
                                  "metadata":{"name":"l"},"spec":{"renewTime":"2026-01-01T00:00:00.123Z"}})"));
    EXPECT_EQ(lease.code, 400) << "micro-times have six digits";
}

TEST(ApiServer, RefusesLoudlyWhatItDoesNotDo) {
    run_coro(refusals());
}

asio::awaitable<void> namespaces() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    const Json space = Json::parse(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}})");
    auto made = co_await ask(api, "POST", "/api/v1/namespaces", space);
    EXPECT_EQ(made.body["metadata"]["labels"]["kubernetes.io/metadata.name"], "x");
    Json held = pod("held");
    held["metadata"]["finalizers"] = Json::array({"example.org/hold"});
    co_await ask(api, "POST", "/api/v1/namespaces/x/pods", held);
    co_await ask(api, "POST", "/api/v1/namespaces/x/pods", pod("free"));
    co_await ask(api, "DELETE", "/api/v1/namespaces/x");
    auto refused = co_await ask(api, "POST", "/api/v1/namespaces/x/pods", pod("late"));
    EXPECT_EQ(refused.code, 403);
    EXPECT_EQ(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    auto free_pod = co_await ask(api, "GET", "/api/v1/namespaces/x/pods/free");
    EXPECT_EQ(free_pod.code, 404);
    co_await ask(api, "PATCH", "/api/v1/namespaces/x/pods/held", Json::parse(R"({"metadata":{"finalizers":null}})"),
                 kMerge);
    auto gone = co_await ask(api, "GET", "/api/v1/namespaces/x");
    EXPECT_EQ(gone.code, 404);
}

TEST(ApiServer, NamespacesGoWithTheirContents) {
    run_coro(namespaces());
}

asio::awaitable<void> tables() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    co_await ask(api, "POST", kCrds, crd());
    co_await ask(api, "POST", kThings, thing("a"));
    co_await ask(api, "PATCH", kThings + "/a/status", Json::parse(R"({"status":{"phase":"Up"}})"), kMerge);
    kube::HttpHeaders table;
    table.set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    auto shown = co_await ask(api, "GET", kThings, nullptr, kJson, "admin", table);
    EXPECT_EQ(shown.body["kind"], "Table");
    EXPECT_EQ(shown.body["rows"][0]["cells"], Json::parse(R"(["a","Up"])"));
    EXPECT_EQ(shown.body["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

TEST(ApiServer, TablesHaveTheCrdsColumns) {
    run_coro(tables());
}

}  // namespace
}  // namespace model::test
