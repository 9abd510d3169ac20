#include "tests/unit/model/fixture.hpp"

namespace model::test {
namespace {

namespace asio = boost::asio;
using kube::test::run_coro;

/// A Pod on a node whose container and debug container are in that state.
Json pod_with(const char* state, const char* log = nullptr) {
    Json object = pod("web");
    object["metadata"]["namespace"] = "default";
    if (log != nullptr) object["metadata"]["annotations"]["model.endoscope.dev/log"] = log;
    object["spec"]["ephemeralContainers"] = Json::parse(R"([{"name":"dbg","image":"busybox"}])");
    for (const auto& [list, name] : {std::pair("containerStatuses", "nginx"), {"ephemeralContainerStatuses", "dbg"}}) {
        object["status"][list] = Json::array({{{"name", name}, {"state", Json::parse(state)}}});
    }
    return object;
}

/// What GET pods/web/log answers.
asio::awaitable<void> read(Json object, std::string query, Answer& answer) {
    kube::test::ManualClock clock;
    ApiServer api(co_await asio::this_coro::executor, clock);
    api.cluster().storage.put("pods", "default", "web", std::move(object));
    answer = co_await ask(api, "GET", kPods + "/web/log?" + query);
}

Answer log(const Json& object, const std::string& query) {
    Answer answer;
    run_coro(read(object, query, answer));
    return answer;
}

constexpr const char* kRunning = R"({"running":{}})";

TEST(Logs, TheEndIsCutOffByLinesFirstAndThenByBytes) {
    const std::pair<const char*, const char*> rows[] = {
        {"container=dbg", "a\nbb\nccc\n"},
        {"container=nginx", "a\nbb\nccc\n"},
        {"", "a\nbb\nccc\n"},
        {"container=dbg&tailLines=1", "ccc\n"},
        {"container=dbg&tailLines=2", "bb\nccc\n"},
        {"container=dbg&tailLines=3", "a\nbb\nccc\n"},
        {"container=dbg&tailLines=1000", "a\nbb\nccc\n"},
        {"container=dbg&tailLines=0", ""},
        {"container=dbg&limitBytes=3", "a\nb"},
        {"container=dbg&tailLines=2&limitBytes=4", "bb\nc"},
        {"container=dbg&limitBytes=100&previous=false", "a\nbb\nccc\n"},
    };
    for (const auto& [query, expected] : rows) {
        const Answer answer = log(pod_with(kRunning, "a\nbb\nccc\n"), query);
        EXPECT_EQ(answer.code, 200) << query;
        EXPECT_EQ(answer.http.headers.get("Content-Type"), "text/plain") << query;
        EXPECT_EQ(answer.http.body, expected) << query;
    }
    EXPECT_EQ(log(pod_with(kRunning, "a\nb"), "tailLines=1").http.body, "b") << "a last line without an end";
    EXPECT_EQ(log(pod_with(kRunning, "\n\n"), "tailLines=1").http.body, "\n");
}

TEST(Logs, EveryContainerWritesSomething) {
    EXPECT_EQ(log(pod_with(kRunning), "container=dbg").http.body, "the log of container dbg of Pod default/web\n");
    EXPECT_EQ(log(pod_with(R"({"terminated":{"exitCode":0,"reason":"Completed"}})"), "").http.body,
              "the log of container nginx of Pod default/web\n");
    EXPECT_EQ(log(pod_with(R"({"terminated":{"exitCode":128,"reason":"StartError"}})"), "").http.body, "");
}

TEST(Logs, AContainerThatWaitsHasNone) {
    const std::pair<const char*, const char*> rows[] = {
        {"ContainerCreating", "ContainerCreating"},
        {"ErrImagePull", "image can't be pulled"},
        {"ImagePullBackOff", "trying and failing to pull image"},
    };
    for (const auto& [reason, words] : rows) {
        const Answer answer =
            log(pod_with((R"({"waiting":{"reason":")" + std::string(reason) + R"("}})").c_str()), "container=dbg");
        EXPECT_EQ(answer.code, 400);
        EXPECT_EQ(answer.reason(), "BadRequest");
        EXPECT_EQ(answer.message(), R"(container "dbg" in pod "web" is waiting to start: )" + std::string(words));
    }
    Json unseen = pod_with(kRunning);
    unseen.erase("status");
    EXPECT_EQ(log(unseen, "container=dbg").message(), R"(container "dbg" in pod "web" is not available)");
}

}  // namespace
}  // namespace model::test
