#include "controller/injection.hpp"

#include "controller/status.hpp"
#include "kube/client/status.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

using api::Reason;

kube::Error answer(int code, const char* reason, const std::string& message, const std::string& details = "{}") {
    const std::string body = std::string(R"({"kind":"Status","reason":")") + reason + R"(","message":")" + message +
                             R"(","details":)" + details + "}";
    return kube::error_from_response(code, body, kube::HttpHeaders());
}

TEST(Refusal, WhatMayPassByItselfIsTriedAgain) {
    for (const auto& error :
         {answer(409, "Conflict", "the object has been modified"), answer(429, "TooManyRequests", "slow"),
          answer(500, "", "boom"), answer(503, "ServiceUnavailable", "away"), answer(401, "Unauthorized", "")}) {
        EXPECT_FALSE(classify_refusal(error)) << error.http_status;
    }
    kube::Error cut;
    cut.kind = kube::ErrorKind::transport;
    EXPECT_FALSE(classify_refusal(cut));
    cut.kind = kube::ErrorKind::timeout;
    EXPECT_FALSE(classify_refusal(cut));
}

TEST(Refusal, PodSecurityIsADenial) {
    const auto refusal = classify_refusal(
        answer(403, "Forbidden", R"(pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": privileged)"));
    ASSERT_TRUE(refusal);
    EXPECT_TRUE(refusal->denied);
    EXPECT_EQ(refusal->reason, Reason::pod_security_violation);
    EXPECT_TRUE(refusal->message.contains("violates PodSecurity"));
}

TEST(Refusal, AGoneOrReplacedPodIsNotThePolicysFault) {
    const auto gone = classify_refusal(answer(404, "NotFound", "not found", R"({"name":"p"})"));
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->reason, Reason::target_gone);
    const auto replaced = classify_refusal(answer(
        422, "Invalid", "invalid", R"({"name":"p","causes":[{"field":"metadata.uid","reason":"FieldValueInvalid"}]})"));
    ASSERT_TRUE(replaced);
    EXPECT_EQ(replaced->reason, Reason::target_gone);
    const auto unsupported =
        classify_refusal(answer(404, "NotFound", "the server could not find the requested resource"));
    ASSERT_TRUE(unsupported);
    EXPECT_EQ(unsupported->reason, Reason::injection_rejected);
}

TEST(Refusal, EverybodyElsesNoIsQuoted) {
    const auto refusal = classify_refusal(answer(400, "BadRequest", "admission webhook says no"));
    ASSERT_TRUE(refusal);
    EXPECT_FALSE(refusal->denied);
    EXPECT_EQ(refusal->reason, Reason::injection_rejected);
    EXPECT_TRUE(refusal->message.contains("admission webhook says no"));
}

TEST(SameContainer, DefaultsOfTheServerDoNotMatterOurFieldsDo) {
    const nlohmann::json ours = {{"name", "dbg"}, {"image", "a:1"}, {"stdin", true}};
    PodView::EphemeralContainer existing;
    existing.json = R"({"image":"a:1","name":"dbg","stdin":true,"terminationMessagePath":"/dev/termination-log"})";
    EXPECT_TRUE(is_same_container(existing, ours));
    existing.json = R"({"image":"a:2","name":"dbg","stdin":true})";
    EXPECT_FALSE(is_same_container(existing, ours));
    existing.json = R"({"image":"a:1","name":"dbg"})";
    EXPECT_FALSE(is_same_container(existing, ours));
    existing.json = "{";
    EXPECT_FALSE(is_same_container(existing, ours));
}

TEST(KeepExpired, AnExpiredRequestStaysExpiredWhenItsContainerEnds) {
    Progress ended;
    ended.phase = api::Phase::succeeded;
    ended.reason = Reason::session_ended;
    ended.state = "Terminated";
    const Progress kept = keep_expired(ended);
    EXPECT_EQ(kept.phase, api::Phase::expired);
    EXPECT_EQ(kept.reason, Reason::deadline_exceeded);
    EXPECT_FALSE(kept.still_running);
    Progress running;
    running.state = "Running";
    EXPECT_TRUE(keep_expired(running).still_running);
    EXPECT_TRUE(keep_expired(ended, "by onExpiry: Terminate").message.contains("it was ended by onExpiry: Terminate"));
}

TEST(Status, ADenialSaysWhichConditionFailedAndRevealsNothingBeforeAuthorization) {
    Verdict verdict;
    verdict.reason = Reason::not_authorized;
    verdict.message = "no";
    const auto now = *api::parse_timestamp("2026-01-31T12:00:00Z");
    const auto status = denied_status({}, 1, verdict, now);
    EXPECT_EQ(status.phase, api::Phase::denied);
    EXPECT_TRUE(status.targets.empty());
    const auto* authorized = api::find_condition(status.conditions, api::condition_type::kAuthorized);
    ASSERT_NE(authorized, nullptr);
    EXPECT_EQ(authorized->status, api::ConditionStatus::is_false);
    verdict.reason = Reason::image_not_allowed;
    const auto later = denied_status({}, 1, verdict, now);
    EXPECT_EQ(api::find_condition(later.conditions, api::condition_type::kAuthorized)->status,
              api::ConditionStatus::is_true);
    EXPECT_EQ(api::find_condition(later.conditions, api::condition_type::kStalled)->status,
              api::ConditionStatus::is_true);
    verdict.reason = Reason::no_policy;
    const auto early = denied_status({}, 1, verdict, now);
    EXPECT_EQ(api::find_condition(early.conditions, api::condition_type::kAuthorized)->status,
              api::ConditionStatus::unknown);
}

TEST(Injection, ARecordMakesNoOthersContainerOurs) {
    PodView pod;
    pod.name = "web";
    pod.uid = "u";
    pod.ephemeral_containers = {
        {.name = "dbg-theirs", .image = {}, .target_container = {}, .request = "prod/theirs", .json = {}}};
    api::DebugRequest request;
    request.namespace_name = "prod";
    request.name = "r";
    api::TargetStatus row;
    row.pod_name = "web";
    row.pod_uid = "u";
    row.container_name = "dbg-theirs";
    request.status.targets = {row};
    EXPECT_FALSE(is_injected(pod, request));
    EXPECT_EQ(session_of(request, Verdict(), {pod}).parts.front().container, container_name(request, "u"));
    pod.ephemeral_containers.front().request = "prod/r";
    EXPECT_EQ(session_of(request, Verdict(), {pod}).parts.front().container, "dbg-theirs");
}

TEST(Injection, ARefusalThatIsOnRecordStandsAfterARestart) {
    api::TargetStatus row;
    row.pod_name = "web-2";
    row.pod_uid = "u2";
    row.state = "NotInjected";
    row.reason = "NotAuthorized";
    row.message = "alice may not debug it any more";
    const SessionPart refused = part_of_lost_pod(row);
    EXPECT_FALSE(refused.injected);
    ASSERT_TRUE(refused.refused);
    EXPECT_EQ(refused.refused->reason, api::Reason::not_authorized);
    EXPECT_EQ(refused.refused->message, "alice may not debug it any more");
    row.state = "Pending";
    EXPECT_EQ(part_of_lost_pod(row).refused->reason, api::Reason::target_gone);
    row.state = "Running";
    EXPECT_TRUE(part_of_lost_pod(row).injected);
    EXPECT_FALSE(recorded_refusal(row));
}

TEST(Status, RunningIsReadyAndExpiredIsStalledAndStillRunning) {
    api::DebugRequest request;
    request.namespace_name = "prod";
    request.name = "r";
    request.generation = 1;
    Session session;
    SessionPart part;
    part.pod = "web";
    part.pod_uid = "u";
    part.container = "dbg";
    part.injected = true;
    session.parts = {part};
    PodView pod;
    pod.node_name = "node-1";
    const auto shown = std::make_shared<const PodView>(pod);
    const auto status_of = [&](const api::DebugRequestStatus& before, const Progress& progress,
                               std::shared_ptr<const PodView> seen, api::TimePoint now) {
        return session_status(request, before, session, progress, {{part, progress, std::move(seen)}}, now);
    };
    const auto now = *api::parse_timestamp("2026-01-31T12:00:00Z");
    Progress running;
    running.phase = api::Phase::running;
    running.reason = Reason::started;
    running.state = "Running";
    running.started_at = "2026-01-31T11:59:59Z";
    running.expires_at = "2026-01-31T12:59:59Z";
    const auto status = status_of({}, running, shown, now);
    EXPECT_EQ(api::find_condition(status.conditions, api::condition_type::kReady)->status,
              api::ConditionStatus::is_true);
    EXPECT_EQ(status.attach_command, "kubectl attach -it -n prod web -c dbg");
    EXPECT_EQ(status.finished_at, "");
    ASSERT_EQ(status.targets.size(), 1U);
    EXPECT_EQ(status.targets[0].node_name, "node-1");
    Progress expired = running;
    expired.phase = api::Phase::expired;
    expired.reason = Reason::deadline_exceeded;
    expired.still_running = true;
    const auto over = status_of(status, expired, shown, now + std::chrono::hours(1));
    EXPECT_EQ(over.finished_at, "");
    EXPECT_EQ(api::find_condition(over.conditions, api::condition_type::kContainerStillRunning)->status,
              api::ConditionStatus::is_true);
    Progress gone;
    gone.phase = api::Phase::expired;
    gone.reason = Reason::deadline_exceeded;
    gone.state = "Unknown";
    const auto ended = status_of(over, gone, nullptr, now + std::chrono::hours(2));
    EXPECT_EQ(api::find_condition(ended.conditions, api::condition_type::kContainerStillRunning)->status,
              api::ConditionStatus::is_false);
    EXPECT_EQ(ended.targets[0].node_name, "node-1");
    EXPECT_EQ(ended.started_at, running.started_at);
}

TEST(Status, MessagesAreBoundedToOneLine) {
    const std::string text = bounded_message(std::string(2000, 'x') + "\n\x1b[31m");
    EXPECT_LE(text.size(), api::bounds::kMessage);
    EXPECT_EQ(bounded_message("a\nb\x1b"), "a b ");
}

}  // namespace
}  // namespace endoscope::controller
