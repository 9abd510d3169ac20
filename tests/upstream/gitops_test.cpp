// What Flux and Argo CD make of the statuses that we write, said by the code that they run.
#include "controller/status.hpp"
#include "controller/stored_request.hpp"
#include "kube/base/yaml.hpp"
#include "tests/upstream/oracle.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace endoscope::test {
namespace {

using api::Phase;
using api::Reason;
using nlohmann::json;

constexpr const char* kProgram = "ENDOSCOPE_GITOPS_BIN";
constexpr api::TimePoint kNow = std::chrono::sys_days{std::chrono::January / 2 / 2026};
constexpr std::int64_t kGeneration = 3;

/// One object, and what either tool is to say of it.
struct Row {
    std::string what;
    json object;
    std::string kstatus;
    std::string argo;
    std::string says;  ///< Part of Argo CD's message.
};

json object(const std::string& kind, const json& status) {
    json made = {{"apiVersion", "endoscope.dev/v1alpha1"},
                 {"kind", kind},
                 {"metadata", {{"name", "r"}, {"namespace", "shop"}, {"generation", kGeneration}}},
                 {"spec", json::object()}};
    if (!status.is_null()) made["status"] = status;
    return made;
}

json request(const api::DebugRequestStatus& status) {
    return object("DebugRequest", api::to_json(status));
}

/// The status of a session in that phase, after it was in the earlier ones.
api::DebugRequestStatus session_in(Phase phase, Reason reason, const std::string& state, bool still_running = false) {
    api::DebugRequest debugged;
    debugged.namespace_name = "shop";
    debugged.name = "r";
    debugged.generation = kGeneration;
    controller::Session session;
    session.policy.name = "shop";
    controller::PartView view;
    view.part.pod = "web";
    view.part.container = "dbg-1";
    view.part.injected = true;
    session.parts = {view.part};
    controller::Progress& progress = view.progress;
    progress.phase = Phase::starting;
    progress.message = "waits for its start";
    progress.state = "Waiting";
    auto status = controller::session_status(debugged, {}, session, progress, {view}, kNow);
    if (phase == Phase::starting) return status;
    progress.phase = phase;
    progress.reason = reason;
    progress.message = "this is how it is";
    progress.state = state;
    progress.started_at = api::format_timestamp(kNow);
    progress.still_running = still_running;
    return controller::session_status(debugged, status, session, progress, {view}, kNow + std::chrono::seconds(5));
}

api::DebugRequestStatus denied() {
    controller::Verdict verdict;
    verdict.reason = Reason::not_authorized;
    verdict.message = "bob may not debug this Pod";
    return controller::denied_status({}, kGeneration, verdict, kNow);
}

api::DebugRequestStatus rejected() {
    return controller::failed_status({}, kGeneration, {}, Reason::injection_rejected, "the quota is used up", kNow);
}

json waiting_for_approval() {
    json status = api::to_json(session_in(Phase::starting, Reason::waiting_for_start, "Waiting"));
    status["phase"] = "AwaitingApproval";
    return status;
}

std::vector<Row> rows() {
    json changed = request(session_in(Phase::running, Reason::started, "Running"));
    changed["metadata"]["generation"] = kGeneration + 1;
    return {
        {"Pending", object("DebugRequest", {{"observedGeneration", -1}}), "InProgress", "Progressing", "waits"},
        {"AwaitingApproval", object("DebugRequest", waiting_for_approval()), "InProgress", "Suspended", "waits"},
        {"Starting", request(session_in(Phase::starting, Reason::waiting_for_start, "Waiting")), "InProgress",
         "Progressing", "Starting: waits for its start"},
        {"Injecting", request(session_in(Phase::injecting, Reason::injecting, "Waiting")), "InProgress", "Progressing",
         "Injecting: this"},
        {"Running", request(session_in(Phase::running, Reason::started, "Running")), "Current", "Healthy",
         "Running: this is how it is"},
        {"of another generation", changed, "InProgress", "Progressing", "latest change"},
        {"Succeeded", request(session_in(Phase::succeeded, Reason::completed, "Terminated")), "Current", "Healthy",
         "Succeeded: this"},
        {"Failed", request(session_in(Phase::failed, Reason::non_zero_exit, "Terminated")), "Failed", "Degraded",
         "Failed: this"},
        {"Expired", request(session_in(Phase::expired, Reason::deadline_exceeded, "Terminated")), "Failed", "Degraded",
         "Expired: this"},
        {"Expired and running", request(session_in(Phase::expired, Reason::deadline_exceeded, "Running", true)),
         "Failed", "Degraded", "Expired: this"},
        {"rejected", request(rejected()), "Failed", "Degraded", "Failed: the quota is used up"},
        {"Denied", request(denied()), "Failed", "Degraded", "Denied: bob may not"},
    };
}

/// The health script of that kind in the patch of Argo CD's ConfigMap.
std::string script_of(const std::string& kind) {
    std::ifstream file(std::string(ENDOSCOPE_SOURCE_DIR) + "/manifests/argocd/argocd-cm.yaml");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto documents = kube::parse_yaml(text);
    EXPECT_TRUE(documents && documents->size() == 1);
    const std::string key = "resource.customizations.health.endoscope.dev_" + kind;
    return documents ? documents->front().value("/data"_json_pointer / key, "") : "";
}

class GitOps : public ::testing::Test {
  protected:
    void SetUp() override { require_program(kProgram, "tests/upstream/gitops/build.sh"); }

    static std::vector<json> health(const std::string& kind, const std::vector<json>& objects) {
        std::vector<std::string> questions;
        for (const json& each : objects) {
            questions.push_back(json({{"script", script_of(kind)}, {"object", each}}).dump());
        }
        return ask_program(kProgram, {"health"}, questions);
    }
};

TEST_F(GitOps, FluxReadsThePhaseOfARequest) {
    std::vector<std::string> questions;
    for (const Row& row : rows()) questions.push_back(row.object.dump());
    const auto answers = ask_program(kProgram, {"kstatus"}, questions);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        EXPECT_EQ(answers[i].value("status", ""), rows()[i].kstatus) << rows()[i].what << ": " << answers[i];
    }
}

TEST_F(GitOps, ArgoCDReadsThePhaseOfARequest) {
    std::vector<json> objects;
    for (const Row& row : rows()) objects.push_back(row.object);
    const auto answers = health("DebugRequest", objects);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        EXPECT_EQ(answers[i].value("status", ""), rows()[i].argo) << rows()[i].what << ": " << answers[i];
        EXPECT_TRUE(answers[i].value("message", "").contains(rows()[i].says)) << rows()[i].what << ": " << answers[i];
    }
}

TEST_F(GitOps, ArgoCDWaitsForARequestWithoutAStatus) {
    const auto answers =
        health("DebugRequest", {object("DebugRequest", nullptr), object("DebugRequest", json::object())});
    for (const json& answer : answers) EXPECT_EQ(answer.value("status", ""), "Progressing") << answer;
}

TEST_F(GitOps, ArgoCDReadsWhetherAPolicyIsInForce) {
    const auto policy = [](bool accepted, std::int64_t generation) {
        json condition = {{"type", "Accepted"}, {"status", accepted ? "True" : "False"}};
        json status = {{"observedGeneration", generation}, {"conditions", json::array({condition})}};
        if (!accepted) status["message"] = "spec.images.allow[0]: is no pattern";
        return object("DebugPolicy", status);
    };
    const auto answers = health("DebugPolicy", {policy(true, kGeneration), policy(false, kGeneration),
                                                policy(true, kGeneration - 1), object("DebugPolicy", nullptr)});
    const std::vector<std::string> expected = {"Healthy", "Degraded", "Progressing", "Progressing"};
    for (std::size_t i = 0; i < answers.size(); ++i)
        EXPECT_EQ(answers[i].value("status", ""), expected[i]) << answers[i];
    EXPECT_EQ(answers[1].value("message", ""), "spec.images.allow[0]: is no pattern");
}

}  // namespace
}  // namespace endoscope::test
