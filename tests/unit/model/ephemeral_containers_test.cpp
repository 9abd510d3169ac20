#include "fixture.hpp"

#include <boost/asio/this_coro.hpp>

namespace model::test {
namespace {

namespace asio = boost::asio;
using kube::test::ManualClock;
using kube::test::run_coro;

const std::string kEphemeral = kPods + "/p/ephemeralcontainers";

Json inject(Json container) {
    Json list = Json::array();
    list.push_back(std::move(container));
    return {{"spec", {{"ephemeralContainers", std::move(list)}}}};
}

asio::awaitable<void> injection() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    co_await ask(api, "POST", kPods, pod("p"));
    const Json d = inject({{"name", "d"}, {"image", "busybox"}, {"targetContainerName", "nginx"}});
    auto dry = co_await ask(api, "PATCH", kEphemeral + "?dryRun=All", d, kStrategic);
    EXPECT_EQ(dry.code, 200);
    auto first = co_await ask(api, "PATCH", kEphemeral, d, kStrategic);
    EXPECT_EQ(first.code, 200) << first.message();
    EXPECT_EQ(first.body["metadata"]["generation"], 2);
    EXPECT_EQ(first.body["spec"]["ephemeralContainers"][0]["imagePullPolicy"], "Always");
    auto repeat = co_await ask(api, "PATCH", kEphemeral, d, kStrategic);
    EXPECT_EQ(repeat.body["metadata"]["resourceVersion"], first.body["metadata"]["resourceVersion"]);
    auto second = co_await ask(api, "PATCH", kEphemeral, inject({{"name", "e"}, {"image", "x:1"}}), kStrategic);
    EXPECT_EQ(second.body["spec"]["ephemeralContainers"][0]["name"], "e") << "new ones come first";
    EXPECT_EQ(second.body["metadata"]["generation"], 3);

    auto changed = co_await ask(api, "PATCH", kEphemeral, inject({{"name", "d"}, {"image", "y"}}), kStrategic);
    EXPECT_EQ(changed.code, 422);
    EXPECT_EQ(changed.body["details"]["causes"][0]["reason"], "FieldValueForbidden");
    auto removed = co_await ask(api, "PATCH", kEphemeral, inject({{"name", "e"}, {"image", "x:1"}}), kMerge);
    EXPECT_NE(removed.message().find(R"(existing ephemeral containers "d" may not be removed)"), std::string::npos);
    Json wrong_uid = inject({{"name", "f"}, {"image", "x"}});
    wrong_uid["metadata"]["uid"] = "other";
    auto uid = co_await ask(api, "PATCH", kEphemeral, wrong_uid, kStrategic);
    EXPECT_EQ(uid.message(), R"(Pod "p" is invalid: metadata.uid: Invalid value: "other": field is immutable)");
    Json stale = inject({{"name", "f"}, {"image", "x"}});
    stale["metadata"]["resourceVersion"] = "1";
    auto conflict = co_await ask(api, "PATCH", kEphemeral, stale, kStrategic);
    EXPECT_EQ(conflict.reason(), "Conflict");
    auto strict = co_await ask(api, "PATCH", kEphemeral + "?fieldValidation=Strict",
                               inject({{"name", "z"}, {"image", "x"}, {"foo", 1}}), kStrategic);
    EXPECT_EQ(strict.code, 422);
    EXPECT_EQ(strict.body["details"]["causes"][0]["field"], "patch");
    auto main_resource = co_await ask(api, "PATCH", kPods + "/p", inject({{"name", "z"}, {"image", "x"}}), kStrategic);
    EXPECT_EQ(main_resource.code, 422);
    auto labels =
        co_await ask(api, "PATCH", kEphemeral, Json::parse(R"({"metadata":{"labels":{"a":"b"}}})"), kStrategic);
    EXPECT_FALSE(labels.body["metadata"].contains("labels")) << "everything but the containers stays";
}

TEST(EphemeralContainers, AreAppendedNeverChangedNorRemoved) {
    run_coro(injection());
}

struct Case {
    const char* container;
    const char* field;
    const char* message;
};

asio::awaitable<void> rules() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    co_await ask(api, "POST", kPods, pod("p"));
    const std::vector<Case> cases = {
        {R"({"name":"nginx","image":"x"})", ".name", "Duplicate value: \"nginx\""},
        {R"({"name":"z"})", ".image", "Required value"},
        {R"({"name":"z","image":" x"})", ".image",
         "Invalid value: \" x\": must not have leading or trailing whitespace"},
        {R"({"name":"z","image":"x","targetContainerName":"q"})", ".targetContainerName", "Not found: \"q\""},
        {R"({"name":"z","image":"x","ports":[{"containerPort":1}]})", ".ports",
         "Forbidden: cannot be set for an Ephemeral Container"},
        {R"({"name":"z","image":"x","lifecycle":{}})", ".lifecycle",
         "Forbidden: cannot be set for an Ephemeral Container"},
        {R"({"name":"z","image":"x","resources":{"limits":{"cpu":"1"}}})", ".resources",
         "Forbidden: cannot be set for an Ephemeral Container"},
        {R"({"name":"z","image":"x","imagePullPolicy":"Sometimes"})", ".imagePullPolicy",
         "Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\""},
        {R"({"name":"z","image":"x","volumeMounts":[{"name":"v","mountPath":"/v"}]})", ".volumeMounts[0].name",
         "Not found: \"v\""},
    };
    for (const Case& one : cases) {
        auto answer = co_await ask(api, "PATCH", kEphemeral, inject(Json::parse(one.container)), kStrategic);
        EXPECT_EQ(answer.code, 422) << one.container;
        const Json cause = answer.body["details"]["causes"][0];
        EXPECT_EQ(cause["field"], std::string("spec.ephemeralContainers[0]") + one.field);
        EXPECT_EQ(cause["message"], one.message);
    }
    Json mirror = pod("static");
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "x";
    co_await ask(api, "POST", kPods, mirror);
    auto refused = co_await ask(api, "PATCH", kPods + "/static/ephemeralcontainers",
                                inject({{"name", "X"}, {"image", ""}}), kStrategic);
    EXPECT_EQ(refused.message(),
              R"(Pod "static" is invalid: []: Forbidden: static pods do not support ephemeral containers)");
    Json with = pod("q");
    with["spec"]["ephemeralContainers"] = Json::parse(R"([{"name":"d","image":"x"}])");
    auto created = co_await ask(api, "POST", kPods, with);
    EXPECT_NE(created.message().find("spec.ephemeralContainers: Forbidden: cannot be set on create"),
              std::string::npos);
}

TEST(EphemeralContainers, RulesAndTheirCauses) {
    run_coro(rules());
}

asio::awaitable<void> statuses() {
    ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    co_await ask(api, "POST", kPods, pod("p"));
    const char* ended =
        R"({"status":{"ephemeralContainerStatuses":[{"name":"d","state":{"terminated":{"exitCode":0}}}]}})";
    const char* back = R"({"status":{"ephemeralContainerStatuses":[{"name":"d","state":{"running":{}}}]}})";
    auto first = co_await ask(api, "PATCH", kPods + "/p/status", Json::parse(ended), kStrategic);
    EXPECT_EQ(first.code, 200);
    auto second = co_await ask(api, "PATCH", kPods + "/p/status", Json::parse(back), kStrategic);
    EXPECT_NE(second.message().find("may not be transitioned to non-terminated state"), std::string::npos);
}

TEST(EphemeralContainers, AnEndedOneStaysEnded) {
    run_coro(statuses());
}

}  // namespace
}  // namespace model::test
