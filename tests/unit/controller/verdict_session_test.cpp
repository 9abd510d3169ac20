// Reason, time and number.

#include "tests/unit/controller/verdict_table.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using api::Reason;
using testing::Case;
using testing::expect_allowed;
using testing::expect_denied_by_policy;
using testing::json;
using testing::Row;

TEST(Verdict, EveryReasonOfTimeAndNumber) {
    const Row rows[] = {
        {"no reason", Reason::reason_not_accepted,
         [](Case& c) {
             c.spec().erase("reason");
             c.rules()["reason"] = {{"required", true}};
         },
         "spec.reason"},
        {"no reason where there is a pattern", Reason::reason_not_accepted,
         [](Case& c) {
             c.spec().erase("reason");
             c.rules()["reason"] = {{"pattern", "^INC"}};
         },
         "^INC"},
        {"other reason", Reason::reason_not_accepted, [](Case& c) { c.rules()["reason"] = {{"pattern", "^OPS-"}}; },
         "reason.pattern"},
        {"deadline", Reason::deadline_too_long, [](Case& c) { c.spec()["deadlineSeconds"] = 14401; },
         "limits.maxDeadlineSeconds"},
        {"exclusive", Reason::session_exists,
         [](Case& c) {
             c.rules()["limits"]["exclusive"] = true;
             c.sessions.in_pod["web"] = {{"production/a", "side"}, {"production/b", "nginx"}};
         },
         "limits.exclusive"},
        {"exclusive, both in the default container", Reason::session_exists,
         [](Case& c) {
             c.rules()["limits"]["exclusive"] = true;
             c.sessions.in_pod["web"] = {{"production/a", ""}};
         },
         "production/a"},
        {"exclusive, as the Pod shows", Reason::session_exists,
         [](Case& c) {
             c.rules()["limits"]["exclusive"] = true;
             c.add_session("production/a", "nginx", R"({"running":{}})");
         },
         "production/a"},
        {"targets", Reason::too_many_targets,
         [](Case& c) { c.spec()["target"] = json::parse(R"({"selector":{"matchLabels":{"app":"web"}},"maxPods":6})"); },
         "limits.maxPods"},
        {"per Pod", Reason::limit_exceeded, [](Case& c) { c.sessions.in_pod["web"] = testing::others_in_pod(5); },
         "limits.maxPerPod"},
        {"per Pod, as the Pod shows", Reason::limit_exceeded,
         [](Case& c) {
             c.rules()["limits"]["maxPerPod"] = 2;
             c.sessions.in_pod["web"] = {{"production/a", "side"}};
             c.add_session("production/b", "side", R"({"waiting":{"reason":"ContainerCreating"}})");
         },
         "limits.maxPerPod"},
        {"per Pod, one that waits for init containers", Reason::limit_exceeded,
         [](Case& c) {
             c.rules()["limits"]["maxPerPod"] = 1;
             c.add_session("production/b", "side", R"({"waiting":{"reason":"PodInitializing"}})");
         },
         "limits.maxPerPod"},
        {"per Pod, one in a state that nobody knows", Reason::limit_exceeded,
         [](Case& c) {
             c.rules()["limits"]["maxPerPod"] = 1;
             c.add_session("production/b", "side", "{}");
         },
         "limits.maxPerPod"},
        {"per Pod, one that has no status yet", Reason::limit_exceeded,
         [](Case& c) {
             c.rules()["limits"]["maxPerPod"] = 1;
             c.add_session("production/b", "side", "");
         },
         "limits.maxPerPod"},
        {"per namespace", Reason::limit_exceeded, [](Case& c) { c.sessions.in_namespace = 20; },
         "limits.maxActivePerNamespace"},
        {"per requester", Reason::limit_exceeded, [](Case& c) { c.sessions.by_requester = 5; },
         "limits.maxActivePerRequester"},
    };
    for (const Row& row : rows) expect_denied_by_policy(row);
}

TEST(Verdict, JustWithinTimeAndNumber) {
    expect_allowed("optional reason", [](Case& c) {
        c.spec().erase("reason");
        c.rules()["reason"] = {{"required", false}, {"pattern", "^X"}};
    });
    expect_allowed("longest deadline", [](Case& c) { c.spec()["deadlineSeconds"] = 14400; });
    expect_allowed("exclusive, another container", [](Case& c) {
        c.rules()["limits"]["exclusive"] = true;
        c.sessions.in_pod["web"] = {{"production/a", "side"}};
        c.add_session("production/b", "side", R"({"running":{}})");
    });
    expect_allowed("exclusive, the other is over", [](Case& c) {
        c.rules()["limits"]["exclusive"] = true;
        c.add_session("production/b", "nginx", R"({"terminated":{"exitCode":0}})");
    });
    expect_allowed("exclusive, not the default container", [](Case& c) {
        c.rules()["limits"]["exclusive"] = true;
        c.sessions.in_pod["web"] = {{"production/a", ""}};
        c.spec()["target"]["container"] = "side";
    });
    expect_allowed("last places", [](Case& c) {
        c.sessions = {.in_namespace = 19, .by_requester = 4, .in_pod = {{"web", testing::others_in_pod(4)}}};
    });
    expect_allowed("one session seen twice has one place", [](Case& c) {
        c.rules()["limits"]["maxPerPod"] = 2;
        c.sessions.in_pod["web"] = {{"production/a", ""}};
        c.add_session("production/a", "nginx", R"({"running":{}})");
    });
    expect_allowed("its own container, and what has no place", [](Case& c) {
        c.rules()["limits"]["maxPerPod"] = 1;
        c.rules()["limits"]["exclusive"] = true;
        c.add_session("production/r", "nginx", R"({"running":{}})");
        c.add_session("production/a", "nginx", R"({"waiting":{"reason":"ImagePullBackOff"}})");
        c.add_session("", "nginx", R"({"running":{}})");  // not one of Endoscope's
    });
    expect_allowed("as many targets as allowed", [](Case& c) {
        c.spec()["target"] = json::parse(R"({"selector":{"matchLabels":{"app":"web"}},"maxPods":5})");
    });
}

}  // namespace
}  // namespace endoscope::controller
