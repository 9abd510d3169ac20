// kill -9 of the operator at random moments, among people who go on asking.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <algorithm>
#include <atomic>
#include <random>
#include <stop_token>
#include <thread>

namespace endoscope::test {
namespace {

constexpr int kRequests = 200;
constexpr int kPods = 8;
constexpr std::chrono::milliseconds kBetweenRequests{10};
constexpr int kMostRequestsUntilKill = 30;
constexpr int kLongestPause = 300;  // milliseconds
constexpr std::chrono::seconds kCreateTime{60};
constexpr std::chrono::seconds kEndTime{120};

class Kill : public EndoscopeTest {
  protected:
    struct Asked {
        std::string name;
        std::string pod;
        std::string outcome;
        int exit_code;
        bool allowed;
    };
    static Asked asked(int number) {
        const std::string name = "r" + std::to_string(number);
        const std::string pod = "web-" + std::to_string(number % kPods);
        switch (number % 5) {
            case 3:
                return {name, pod, "Failed/NonZeroExit", 7, true};
            case 4:
                return {name, pod, "Denied/NotAuthorized", 0, false};
            default:
                return {name, pod, "Succeeded/Completed", 0, true};
        }
    }
    /// While nobody answers for the webhooks, nothing is created: whoever asks asks again.
    bool create_patiently(const Asked& one) {
        const std::string end = one.exit_code == 0 ? "" : "; exit " + std::to_string(one.exit_code);
        const json object =
            request(one.name, {{"target", {{"podName", one.pod}}}, {"command", {"/bin/sh", "-c", "sleep 0.3" + end}}});
        User& user = one.allowed ? alice() : bob();
        return eventually(
            [&] {
                const auto created = user.create(object);
                return created || created.error().http_status == 409;  // stored, and the answer was lost
            },
            kCreateTime);
    }
    void expect_true_record(const Asked& one) {
        EXPECT_EQ(outcome(one.name, kEndTime), one.outcome) << message(one.name);
        EXPECT_EQ(containers_of(one.name, one.pod), one.allowed ? 1U : 0U) << one.name;
        if (!one.allowed) return;
        const json object = stored(one.name);
        const json* const rows = kube::find_at(object, {"status", "targets"});
        ASSERT_TRUE(rows != nullptr && rows->size() == 1) << object;
        const json& row = rows->front();
        EXPECT_EQ(row["exitCode"], one.exit_code) << one.name;
        const json pod = admin().get(pod_path(one.pod));
        const json& shown = pod["status"]["ephemeralContainerStatuses"];
        const auto container =
            std::ranges::find_if(shown, [&](const json& status) { return status["name"] == row["containerName"]; });
        ASSERT_NE(container, shown.end()) << one.name;
        EXPECT_EQ((*container)["state"]["terminated"]["exitCode"], row["exitCode"]) << one.name << *container;
    }
};

TEST_F(Kill, OfTwoHundredRequestsNoneIsLostDoubledOrUntrue) {
    const unsigned seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> requests_until_kill(1, kMostRequestsUntilKill);
    std::uniform_int_distribution<int> pause(0, kLongestPause);
    for (int i = 0; i < kPods; ++i) run_pod("web-" + std::to_string(i));
    std::atomic<int> created = 0;
    std::atomic<bool> all_asked = false;
    std::jthread people([&](const std::stop_token& stop) {
        for (int i = 0; i < kRequests && !stop.stop_requested(); ++i) {
            if (create_patiently(asked(i))) ++created;
            std::this_thread::sleep_for(kBetweenRequests);
        }
        all_asked = true;
    });
    int kills = 0;
    while (!all_asked && !HasFatalFailure()) {
        // By their number and not by time, or a slow machine would spend all of it starting.
        const int then = created + requests_until_kill(random);
        eventually([&] { return created >= then || all_asked; }, kCreateTime);
        std::this_thread::sleep_for(std::chrono::milliseconds(pause(random)));
        crash_and_restart();
        ++kills;
    }
    if (HasFatalFailure()) people.request_stop();
    people.join();
    ASSERT_EQ(created, kRequests);
    EXPECT_GE(kills, 5);
    for (int i = 0; i < kRequests; ++i) expect_true_record(asked(i));
    std::size_t containers = 0;
    for (int i = 0; i < kPods; ++i) containers += injected("web-" + std::to_string(i)).size();
    EXPECT_EQ(containers, kRequests * 4U / 5U);
    RecordProperty("kills", kills);
}

}  // namespace
}  // namespace endoscope::test
