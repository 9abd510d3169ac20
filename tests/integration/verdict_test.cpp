// The fixtures of tests/fixtures/verdict, judged by the command and by the operator: the same word for the same
// objects. tests/fixtures/verdict/README.md says how a fixture is written.
#include "api/reason.hpp"
#include "kube/base/json.hpp"
#include "kube/base/yaml.hpp"
#include "tests/integration/fixture.hpp"
#include "tests/integration/impersonation.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

namespace endoscope::test {
namespace {

constexpr const char* kExpected = "endoscope.dev/test-expect";
constexpr const char* kMessagePart = "endoscope.dev/test-message";
// Groups of the fixtures' users: who holds the rights, and who may only ask.
constexpr const char* kDebuggers = "verdict-debuggers";
constexpr const char* kAskers = "verdict-askers";
constexpr std::size_t kBatch = 2;

/// One file.
struct Fixture {
    std::string path;
    std::string topic;        ///< Name of the file; namespaces and policies of its own begin with it.
    std::string user;         ///< Who asks.
    bool authorized = true;   ///< False: the user holds no rights but to ask.
    bool is_offline = false;  ///< Its objects cannot be made on a cluster.
    std::vector<json> objects;

    std::string group() const { return authorized ? kDebuggers : kAskers; }
};

std::string kind_of(const json& object) {
    return kube::string_at(object, {"kind"});
}
std::string name_of(const json& object) {
    return kube::string_at(object, {"metadata", "name"});
}
std::string namespace_of(const json& object) {
    return kind_of(object) == "Namespace" ? name_of(object) : kube::string_at(object, {"metadata", "namespace"});
}
/// "<namespace>/<name>".
std::string key_of(const json& object) {
    return namespace_of(object) + "/" + name_of(object);
}
std::string phase_of(const json& object) {
    return kube::string_at(object, {"status", "phase"});
}
bool is_namespace(const json& object) {
    return kind_of(object) == "Namespace";
}
bool is_policy(const json& object) {
    return kind_of(object) == "DebugPolicy";
}
bool is_pod(const json& object) {
    return kind_of(object) == "Pod";
}
bool is_to_judge(const json& object) {
    return kind_of(object) == "DebugRequest" && phase_of(object).empty();
}
bool is_session(const json& object) {
    return kind_of(object) == "DebugRequest" && !phase_of(object).empty();
}
std::string expected_of(const json& request) {
    return kube::string_at(request, {"metadata", "annotations", kExpected});
}
std::string path_of(const json& object) {
    const std::string place =
        is_pod(object) ? "/api/v1/namespaces/" + namespace_of(object) + "/pods/"
                       : "/apis/endoscope.dev/v1alpha1/namespaces/" + namespace_of(object) + "/debugrequests/";
    return place + name_of(object);
}

/// What the comment at the beginning of the file says about all of it.
void read_markers(const std::string& text, Fixture& fixture) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line) && line.starts_with("# ");) {
        const std::string marker = line.substr(2);
        if (marker == "unauthorized") fixture.authorized = false;
        if (marker.starts_with("offline: ")) fixture.is_offline = true;
        if (marker.starts_with("as: ")) fixture.user = marker.substr(4);
    }
}

std::vector<Fixture> all_fixtures() {
    std::vector<Fixture> fixtures;
    for (const auto& entry : std::filesystem::directory_iterator(ENDOSCOPE_VERDICT_FIXTURES)) {
        if (entry.path().extension() != ".yaml") continue;
        Fixture fixture{.path = entry.path(), .topic = entry.path().stem(), .user = {}, .objects = {}};
        fixture.user = "verdict-" + fixture.topic;
        const std::string text = read_text(fixture.path);
        read_markers(text, fixture);
        auto objects = kube::parse_yaml(text);
        EXPECT_TRUE(objects) << fixture.path << ": " << objects.error().message;
        if (objects) fixture.objects = *std::move(objects);
        fixtures.push_back(std::move(fixture));
    }
    std::ranges::sort(fixtures, {}, &Fixture::topic);
    return fixtures;
}

/// Fixtures with no namespace in common can be in the cluster at the same time: that saves waiting. Not too many of
/// them, since before each denial the operator reads all policies anew.
std::vector<std::vector<Fixture>> in_batches(std::vector<Fixture> fixtures) {
    std::vector<std::vector<Fixture>> batches;
    std::vector<std::set<std::string>> taken;
    for (Fixture& fixture : fixtures) {
        std::set<std::string> own;
        for (const json& object : fixture.objects) own.insert(namespace_of(object));
        own.erase("");  // the policies have none
        std::size_t place = 0;
        const auto fits = [&] {
            return batches[place].size() < kBatch &&
                   std::ranges::none_of(own, [&](const std::string& name) { return taken[place].contains(name); });
        };
        while (place < batches.size() && !fits()) ++place;
        if (place == taken.size()) {
            taken.emplace_back();
            batches.emplace_back();
        }
        taken[place].merge(own);
        batches[place].push_back(std::move(fixture));
    }
    return batches;
}

class Verdict : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        if (!HasFatalFailure()) fixtures_ = all_fixtures();
    }

    /// The command's verdicts on the requests of a file, by "<namespace>/<name>".
    std::map<std::string, json> judge_offline(const Fixture& fixture);

    void give_rights();
    void make(const json& object);
    void wait_for(const json& object);
    void make_pod(json pod);
    void begin_session(const json& session);
    void expect_same(const json& request, const json& offline);

    Impersonator impersonator_{plane_file()};
    std::vector<Fixture> fixtures_;

  private:
    static std::string plane_file() { return ControlPlane::get().kubeconfig("admin"); }
};

std::map<std::string, json> Verdict::judge_offline(const Fixture& fixture) {
    std::vector<std::string> argv = {
        ENDOSCOPE_KUBECTL_PLUGIN, "verdict", "-f", fixture.path, "-o", "json", "--as", fixture.user, "--as-group",
        fixture.group()};
    if (!fixture.authorized) argv.emplace_back("--unauthorized");
    Subprocess command(argv, plane_->dir() + "/verdict-" + fixture.topic);
    const auto code = command.wait(std::chrono::seconds(60));
    const auto output = kube::parse_json(command.out());
    EXPECT_TRUE(code && output) << fixture.path << ": " << command.err();
    std::map<std::string, json> verdicts;
    if (!code || !output) return verdicts;
    bool all_allowed = true;
    for (const json& verdict : (*output)["verdicts"]) {
        verdicts[verdict["namespace"].get<std::string>() + "/" + verdict["name"].get<std::string>()] = verdict;
        all_allowed = all_allowed && verdict["allowed"] == true;
    }
    // 2 where a request could not even be read, which is a denial too.
    const int expected = all_allowed ? 0 : command.err().contains("error: ") ? 2 : 3;
    EXPECT_EQ(*code, expected) << fixture.path << ": " << command.err();
    return verdicts;
}

TEST_F(Verdict, EveryReasonHasAFixtureAndEveryDenialATwinThatIsAllowed) {
    std::set<std::string> reasons;
    for (const Fixture& fixture : fixtures_) {
        std::set<std::string> own;
        for (const json& object : fixture.objects) {
            if (is_to_judge(object)) own.insert(expected_of(object));
            const bool shared = namespace_of(object) == "kube-system" || namespace_of(object) == "endoscope-system";
            const std::string& owned = namespace_of(object).empty() ? name_of(object) : namespace_of(object);
            EXPECT_TRUE(shared || owned.starts_with(fixture.topic)) << fixture.path << ": " << owned;
        }
        EXPECT_TRUE(own.contains("Allowed") || !fixture.authorized) << fixture.path << ": no request is allowed";
        reasons.merge(own);
    }
    EXPECT_FALSE(reasons.contains("")) << "a request without the annotation " << kExpected;
    // The command takes the identity as given and asks nobody, and approvals come after the verdict.
    const std::set<api::Reason> elsewhere = {api::Reason::identity_missing, api::Reason::identity_invalid,
                                             api::Reason::authorization_failed};
    for (auto reason = api::Reason::invalid_spec; reason <= api::Reason::approval_required;
         reason = static_cast<api::Reason>(static_cast<int>(reason) + 1)) {
        EXPECT_NE(reasons.contains(std::string(to_string(reason))), elsewhere.contains(reason)) << to_string(reason);
    }
}

TEST_F(Verdict, TheCommandGivesTheReasonThatIsExpected) {
    for (const Fixture& fixture : fixtures_) {
        auto verdicts = judge_offline(fixture);
        for (const json& request : fixture.objects) {
            if (!is_to_judge(request)) continue;
            const json verdict = verdicts[key_of(request)];
            const std::string message = kube::string_at(verdict, {"message"});
            EXPECT_EQ(kube::string_at(verdict, {"reason"}), expected_of(request)) << key_of(request) << ": " << message;
            const std::string part = kube::string_at(request, {"metadata", "annotations", kMessagePart});
            EXPECT_TRUE(message.contains(part)) << key_of(request) << ": " << message;
            verdicts.erase(key_of(request));
        }
        EXPECT_TRUE(verdicts.empty()) << fixture.path;
    }
}

void Verdict::give_rights() {
    const json ask = {{"apiGroups", {"endoscope.dev"}}, {"resources", {"debugrequests"}}, {"verbs", {"create"}}};
    const json debug = {{"apiGroups", {""}}, {"resources", {"pods/ephemeralcontainers"}}, {"verbs", {"patch"}}};
    const json use = {{"apiGroups", {"endoscope.dev"}}, {"resources", {"debugpolicies"}}, {"verbs", {"use"}}};
    const std::string api = "rbac.authorization.k8s.io";
    const std::string place = "/apis/" + api + "/v1/";
    const json speak = {{"apiGroups", {""}}, {"resources", {"users", "serviceaccounts"}}, {"verbs", {"impersonate"}}};
    const std::map<std::string, json> rules = {{kAskers, json::array({ask})},
                                               {kDebuggers, json::array({ask, debug, use, speak})}};
    const auto subject = [&](const char* kind, const std::string& name) {
        return json{{"apiGroup", api}, {"kind", kind}, {"name", name}};
    };
    for (const auto& [group, rights] : rules) {
        const json role = {
            {"apiVersion", api + "/v1"}, {"kind", "ClusterRole"}, {"metadata", {{"name", group}}}, {"rules", rights}};
        const json binding = {{"apiVersion", api + "/v1"},
                              {"kind", "ClusterRoleBinding"},
                              {"metadata", {{"name", group}}},
                              {"roleRef", {{"apiGroup", api}, {"kind", "ClusterRole"}, {"name", group}}},
                              {"subjects", json::array({subject("Group", group)})}};
        ASSERT_TRUE(admin().request("POST", place + "clusterroles", role));
        ASSERT_TRUE(admin().request("POST", place + "clusterrolebindings", binding));
    }
    // On whose behalf others ask: by their names alone, as nothing else is known of them.
    const json named = {{"apiVersion", api + "/v1"},
                        {"kind", "ClusterRoleBinding"},
                        {"metadata", {{"name", "verdict-subjects"}}},
                        {"roleRef", {{"apiGroup", api}, {"kind", "ClusterRole"}, {"name", kDebuggers}}},
                        {"subjects", json::array({subject("User", "verdict-subject"),
                                                  subject("User", "system:serviceaccount:verdict:subject")})}};
    ASSERT_TRUE(admin().request("POST", place + "clusterrolebindings", named));
    // The API server's authorizer follows with a delay.
    const json review = {
        {"spec",
         {{"user", "verdict-subject"},
          {"resourceAttributes", {{"verb", "use"}, {"group", "endoscope.dev"}, {"resource", "debugpolicies"}}}}}};
    ASSERT_TRUE(eventually([&] {
        const auto answer = admin().request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review);
        return answer && (*answer)["status"]["allowed"] == true;
    }));
}

void Verdict::make(const json& object) {
    const auto created = admin().create(object);
    EXPECT_TRUE(created) << key_of(object) << ": " << created.error().message;
}

/// Waits until the object in the cluster has the phase that the fixture gives it.
void Verdict::wait_for(const json& object) {
    EXPECT_TRUE(eventually([&] { return phase_of(admin().get(path_of(object))) == phase_of(object); }))
        << key_of(object) << ": " << admin().get(path_of(object));
}

/// What the API server does not take from a client is done in the way in which it comes about.
void Verdict::make_pod(json pod) {
    const bool is_deleted = pod["metadata"].contains("deletionTimestamp");
    for (const char* field : {"deletionTimestamp", "deletionGracePeriodSeconds", "uid"}) pod["metadata"].erase(field);
    const json debuggers = pod["spec"].value("ephemeralContainers", json::array());
    pod["spec"].erase("ephemeralContainers");
    make(pod);
    if (!debuggers.empty()) {
        EXPECT_TRUE(admin().request("PATCH", path_of(pod) + "/ephemeralcontainers",
                                    {{"spec", {{"ephemeralContainers", debuggers}}}},
                                    std::string(kube::patch::kStrategicMerge)));
    }
    if (!is_deleted) return;
    wait_for(pod);
    EXPECT_TRUE(admin().remove(path_of(pod)));
}

void Verdict::begin_session(const json& session) {
    json request = session;
    const std::string user = kube::string_at(session, {"spec", "requester", "username"});
    request.erase("status");
    request["spec"].erase("requester");
    const auto created = impersonator_.create(request, {.user = user, .group = kDebuggers});
    ASSERT_TRUE(created.is_created()) << key_of(request) << ": " << created.message();
}

/// A decision of the operator: the reason of a denial, "Allowed", or "" where it has not decided yet.
std::string decision(const json& stored) {
    const std::string phase = phase_of(stored);
    if (phase == "Denied" || phase == "AwaitingApproval") return kube::string_at(stored, {"status", "reason"});
    const bool has_begun = phase == "Running" || phase == "Succeeded" || phase == "Failed" || phase == "Expired";
    return has_begun ? "Allowed" : "";
}

void Verdict::expect_same(const json& request, const json& offline) {
    json stored;
    eventually([&] {
        stored = admin().get(path_of(request));
        return !decision(stored).empty();
    });
    const auto status = [&](std::initializer_list<std::string_view> path) {
        const json* const found = kube::find_at(stored["status"], path);
        return found == nullptr ? std::string() : found->get<std::string>();
    };
    const std::string expected = expected_of(request);
    EXPECT_EQ(decision(stored), expected) << key_of(request) << ": " << stored["status"];
    EXPECT_EQ(status({"image"}), kube::string_at(offline, {"image"})) << key_of(request);
    EXPECT_EQ(status({"policy", "name"}), kube::string_at(offline, {"policy"})) << key_of(request);
    // How many sessions are open changes while the requests of a file run, and what an approval waits for is said by
    // other words.
    const bool has_own_words = expected == "LimitExceeded" || expected == "ApprovalRequired";
    if (expected == "Allowed") {
        EXPECT_NE(phase_of(stored), "Failed") << key_of(request) << ": " << stored["status"];
    } else if (!has_own_words) {
        EXPECT_EQ(status({"message"}), kube::string_at(offline, {"message"})) << key_of(request);
    }
}

using Batch = std::vector<Fixture>;

/// Calls `act` for every object of the batch that is one.
void for_each(const Batch& batch, bool (*is_one)(const json&), const auto& act) {
    for (const Fixture& fixture : batch) {
        for (const json& object : fixture.objects) {
            if (is_one(object)) act(fixture, object);
        }
    }
}

TEST_F(Verdict, TheOperatorGivesTheSameReason) {
    give_rights();
    std::erase_if(fixtures_, &Fixture::is_offline);
    for (const Batch& batch : in_batches(std::move(fixtures_))) {
        std::map<std::string, json> offline;
        for (const Fixture& fixture : batch) offline.merge(judge_offline(fixture));
        for_each(batch, is_namespace, [&](const Fixture&, const json& object) { make(object); });
        for_each(batch, is_policy, [&](const Fixture&, const json& object) { make(object); });
        for_each(batch, is_pod, [&](const Fixture&, const json& object) { make_pod(object); });
        for_each(batch, is_pod, [&](const Fixture&, const json& object) { wait_for(object); });
        for_each(batch, is_session, [&](const Fixture&, const json& object) { begin_session(object); });
        for_each(batch, is_session, [&](const Fixture&, const json& object) { wait_for(object); });
        std::vector<json> accepted;
        for_each(batch, is_to_judge, [&](const Fixture& fixture, const json& request) {
            const auto answer = impersonator_.create(request, {.user = fixture.user, .group = fixture.group()});
            const std::string expected = expected_of(request);
            const bool is_refused = expected == "InvalidSpec" || expected == "InvalidImageReference";
            // 400 for a field that does not exist.
            EXPECT_TRUE(is_refused ? answer.status == 422 || answer.status == 400 : answer.is_created())
                << key_of(request) << ": " << answer.status << " " << answer.message();
            if (answer.is_created()) accepted.push_back(request);
        });
        for (const json& request : accepted) expect_same(request, offline[key_of(request)]);
        for_each(batch, is_policy, [&](const Fixture&, const json& object) {
            EXPECT_TRUE(admin().remove(policy_path(name_of(object))));
        });
    }
}

}  // namespace
}  // namespace endoscope::test
