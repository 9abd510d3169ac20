#include "controller/pod_security.hpp"

#include "tests/upstream/oracle.hpp"
#include "tests/upstream/pod_generator.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>

namespace endoscope::test {
namespace {

using nlohmann::json;

constexpr std::size_t kPods = 5'000;
constexpr std::size_t kQuestionsPerPod = 6;
constexpr std::size_t kDeviations = 6;
constexpr std::size_t kShown = 20;
constexpr std::size_t kNewestOfOracle = 36;  // The oracle is of Kubernetes 1.36.

/// How each control begins in a message.
constexpr std::string_view kReasons[] = {
    "privileged (",
    "host namespaces (",
    "hostPath volumes (",
    "hostPort (",
    "hostProcess (",
    "forbidden AppArmor",
    "procMount (",
    "non-default capabilities (",
    "unrestricted capabilities (",
    "seLinuxOptions (",
    "seccompProfile (",
    "forbidden sysctls (",
    "restricted volume types (",
    "allowPrivilegeEscalation != false (",
    "runAsNonRoot != true (",
    "runAsUser=0 (",
    "probe or lifecycle host (",
};

struct Question {
    const json* pod = nullptr;
    std::string level;
    std::string version;
};

std::string random_version(Dice& dice) {
    if (dice.one_in(8))
        return std::string(dice.any_of({"latest", "latest", "latest", "", "v1.37", "v1.99", "1.24", "v1.024"}));
    return "v1." + std::to_string(dice.below(kNewestOfOracle + 1));
}

std::string random_level(Dice& dice) {
    if (dice.one_in(20)) return std::string(dice.any_of({"privileged", "", "Restricted", "none"}));
    return dice.one_in(2) ? "baseline" : "restricted";
}

/// Whether the version means one whose rules the oracle does not know, and the Pod is one that they make a difference
/// to.
bool is_beyond_the_oracle(const std::string& pod, const controller::PodSecurityEnforcement& enforcement) {
    if (enforcement.minor && *enforcement.minor <= static_cast<std::int64_t>(kNewestOfOracle)) return false;
    for (const std::string& sysctl : sysctls_of_1_37()) {
        if (pod.contains(sysctl)) return true;
    }
    return false;
}

api::Labels labels(const Question& question) {
    api::Labels result;
    if (!question.level.empty()) result["pod-security.kubernetes.io/enforce"] = question.level;
    if (!question.version.empty()) result["pod-security.kubernetes.io/enforce-version"] = question.version;
    return result;
}

json our_answer(const controller::PodSecuritySubject& subject, const Question& question) {
    const auto violation =
        controller::pod_security_violation(subject, controller::pod_security_enforcement(labels(question)));
    return {{"allowed", !violation.has_value()}, {"message", violation.value_or("")}};
}

class PodSecurity : public UpstreamTest {};

TEST_F(PodSecurity, GeneratedPods) {
    Dice dice(1986);
    std::vector<json> pods;
    while (pods.size() < scaled(kPods)) pods.push_back(random_pod(dice, kDeviations));
    std::vector<Question> questions;
    std::vector<std::string> lines;
    for (const json& pod : pods) {
        const std::string text = pod.dump();
        for (std::size_t i = 0; i < kQuestionsPerPod; ++i) {
            const Question question{.pod = &pod, .level = random_level(dice), .version = random_version(dice)};
            if (is_beyond_the_oracle(text, controller::pod_security_enforcement(labels(question)))) continue;
            questions.push_back(question);
            lines.push_back(R"({"level":")" + question.level + R"(","version":")" + question.version + R"(","pod":)" +
                            text + "}");
        }
    }
    const std::vector<json> answers = ask("pod-security", lines);

    std::map<std::string_view, std::size_t> seen;
    std::size_t allowed = 0;
    std::size_t differences = 0;
    const json* parsed = nullptr;
    std::optional<controller::PodSecuritySubject> subject;
    for (std::size_t i = 0; i < questions.size(); ++i) {
        if (questions[i].pod != parsed) {
            parsed = questions[i].pod;
            subject = controller::parse_pod_security(*parsed).value();
        }
        const json& theirs = answers[i];
        if (theirs.value("allowed", false)) ++allowed;
        const std::string message = theirs.value("message", "");
        for (const std::string_view reason : kReasons) {
            if (message.contains(reason)) ++seen[reason];
        }
        const json ours = our_answer(*subject, questions[i]);
        if (ours != theirs && ++differences <= kShown) {
            ADD_FAILURE() << lines[i] << "\n  ours:     " << ours << "\n  upstream: " << theirs;
        }
    }
    EXPECT_EQ(differences, 0U) << "of " << questions.size() << " answers";
    // A generator that misses a control compares nothing about it.
    for (const std::string_view reason : kReasons) EXPECT_GT(seen[reason], questions.size() / 200) << reason;
    EXPECT_GT(allowed, questions.size() / 10);
    EXPECT_LT(allowed, questions.size() * 9 / 10);
}

/// What the verdict asks: whether the Pod still complies once a debug container is in it.
TEST_F(PodSecurity, AddedContainerCountsLikeOneThatWasThere) {
    Dice dice(2001);
    std::vector<json> answers_of_ours;
    std::vector<std::string> lines;
    while (lines.size() < scaled(kPods / 4)) {
        json pod = random_pod(dice, kDeviations);
        json& ephemeral = pod["spec"]["ephemeralContainers"];
        if (ephemeral.empty()) continue;
        const json added = ephemeral.back();
        ephemeral.erase(ephemeral.size() - 1);
        controller::PodSecuritySubject subject = controller::parse_pod_security(pod).value();
        controller::add_ephemeral_container(subject, added);
        ephemeral.push_back(added);

        const Question question{.pod = &pod, .level = random_level(dice), .version = random_version(dice)};
        if (is_beyond_the_oracle(pod.dump(), controller::pod_security_enforcement(labels(question)))) continue;
        answers_of_ours.push_back(our_answer(subject, question));
        lines.push_back(
            json({{"level", question.level}, {"version", question.version}, {"pod", std::move(pod)}}).dump());
    }
    const std::vector<json> answers = ask("pod-security", lines);
    for (std::size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(answers_of_ours[i], answers[i]) << lines[i];
}

}  // namespace
}  // namespace endoscope::test
