// Attackers who write text that is more than text, or more of it than is good (docs/security.md, H12, H16 to H18, H23).
#include "kube/base/json.hpp"
#include "tests/integration/impersonation.hpp"
#include "tests/integration/threat_fixture.hpp"

#include <sstream>

namespace endoscope::test {
namespace {

class ThreatInput : public ThreatTest {
  protected:
    /// Every line of the log must be one record.
    void expect_clean_log() {
        std::istringstream lines(op().process().err());
        for (std::string line; std::getline(lines, line);) {
            EXPECT_TRUE(kube::parse_json(line)) << line;
            EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
        }
    }
    json argv_in_pod(const std::string& name) {
        for (const json& container : injected("web")) {
            if (container["name"] == stored(name)["status"]["targets"][0]["containerName"]) {
                return {container["command"], container.value("args", json::array())};
            }
        }
        return {};
    }
};

TEST_F(ThreatInput, H12SecretsCannotBeAskedFor) {
    const json requests = json::parse(R"([
        {"envFrom":[{"secretRef":{"name":"s"}}]},
        {"env":[{"name":"TERM","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]},
        {"volumeMounts":[{"name":"token","mountPath":"/token"}]},
        {"volumeDevices":[{"name":"disk","devicePath":"/dev/x"}]},
        {"securityContext":{"privileged":true}},
        {"terminationMessagePath":"/etc/passwd"}])");
    const std::string collection = path("").substr(0, path("").size() - 1);
    for (const json& spec : requests) {
        const auto strict = alice().request("POST", collection + "?fieldValidation=Strict", request("strict", spec));
        ASSERT_FALSE(strict) << spec;
        // Without strict validation they are not stored at all.
        const auto pruned = alice().rehearse(request("pruned", spec));
        if (!pruned) continue;
        for (const auto& [field, value] : spec.items()) {
            if (field != "env") EXPECT_FALSE((*pruned)["spec"].contains(field)) << *pruned;
        }
        EXPECT_FALSE(kube::dump_json((*pruned)["spec"]).contains("secretKeyRef")) << *pruned;
    }
}

TEST_F(ThreatInput, H16AnArgumentIsAnArgument) {
    add_policy("any", json::object());
    const std::vector<json> commands = {
        {"/bin/sh", "-c", "sleep 0.2; exit 0"},
        {"sleep", "0.2", "$(touch /tmp/pwned)", "`id`", "; rm -rf /", "&& id", "| cat"},
        {"sleep", "0.2", "a\nb", "--target=x", "'\"\\", "$(ENDOSCOPE_REQUEST)", "\u2028", ""},
    };
    for (std::size_t i = 0; i < commands.size(); ++i) {
        const std::string name = "r" + std::to_string(i);
        const json args = {"$HOME", "{{ .Values }}", "%s%n"};
        const auto created = alice().create(
            request(name, {{"command", commands[i]}, {"args", args}, {"image", image_of("any", "t:1")}}));
        ASSERT_TRUE(created) << created.error().message;
        EXPECT_EQ(outcome(name), "Succeeded/Completed") << commands[i];
        EXPECT_EQ(argv_in_pod(name), json({commands[i], args}));
    }
    expect_clean_log();
}

TEST_F(ThreatInput, H17TextWithControlCharactersIsRefused) {
    const std::vector<std::string> texts = {"a\nb", "a\rb", "\x1b[31mred", "a\tb", std::string("a\0b", 3), "a\x7f"};
    for (const std::string& bad : texts) {
        const auto created = alice().create(request("r", {{"reason", bad}}));
        ASSERT_FALSE(created) << bad;
        EXPECT_TRUE(created.error().message.contains("spec.reason")) << created.error().message;
    }
    EXPECT_FALSE(alice().create(request("r", {{"reason", std::string(1025, 'a')}})));
    EXPECT_FALSE(alice().create(request("r", {{"image", "busybox:1\nx"}})));
    EXPECT_FALSE(alice().create(request("r", {{"target", {{"podName", "web\n"}}}})));
}

TEST_F(ThreatInput, H17ANameForgesNoLineAndNoSeries) {
    // An identity provider lets people choose names like these.
    const std::string name = R"(mallory","event":"injected","requester":"alice)";
    const std::string labels = R"(x"} 1 # {namespace="y)";
    const json ask = {{"apiGroups", {"endoscope.dev"}}, {"resources", {"debugrequests"}}, {"verbs", {"create"}}};
    const std::string group = "rbac.authorization.k8s.io";
    make({{"apiVersion", group + "/v1"},
          {"kind", "Role"},
          {"metadata", {{"name", "ask"}, {"namespace", ns_}}},
          {"rules", json::array({ask})}});
    make({{"apiVersion", group + "/v1"},
          {"kind", "RoleBinding"},
          {"metadata", {{"name", "ask"}, {"namespace", ns_}}},
          {"roleRef", {{"apiGroup", group}, {"kind", "Role"}, {"name", "ask"}}},
          {"subjects", {{{"apiGroup", group}, {"kind", "Group"}, {"name", labels}}}}});
    Impersonator impersonator(plane_->kubeconfig("admin"));
    ASSERT_TRUE(
        eventually([&] { return impersonator.create(request("r"), {.user = name, .group = labels}).is_created(); }));
    expect_denied("r", "NotAuthorized");
    const auto lines = op().audit(ns_ + "/r");  // each line is one document
    ASSERT_FALSE(lines.empty());
    for (const json& line : lines) {
        EXPECT_EQ(line["requester"], name);
        EXPECT_NE(line["event"], "injected");
    }
    EXPECT_FALSE(op().metrics().contains("mallory"));
    EXPECT_FALSE(op().metrics().contains("x\\\"}"));
    expect_clean_log();
}

TEST_F(ThreatInput, H18AFloodOfOneLeavesRoomForOthers) {
    constexpr int kFlood = 100;
    for (int i = 0; i < kFlood; ++i) {
        ASSERT_TRUE(bob().create(request("flood-" + std::to_string(i), {{"target", {{"podName", "nope"}}}})));
    }
    ASSERT_TRUE(alice().create(request("good")));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(injected("web").size(), 1U);
    const auto denied = [&] {
        return op().metric("endoscope_debug_requests_total", {{"namespace", ns_}, {"reason", "NotAuthorized"}});
    };
    EXPECT_TRUE(eventually([&] { return denied() == kFlood; })) << denied();
    EXPECT_FALSE(op().metrics().contains("flood-")) << "no series for a request that has no session";
}

TEST_F(ThreatInput, H18OnePersonCannotFillAPodOrANamespace) {
    add_policy("narrow", {{"limits", {{"maxActivePerRequester", 2}, {"maxPods", 1}}}});
    const json spec = {{"image", image_of("narrow", "tools:1")}, {"command", {"sleep", "20"}}};
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(alice().create(request("r" + std::to_string(i), spec)));
    int denied = 0;
    for (int i = 0; i < 5; ++i) {
        const std::string name = "r" + std::to_string(i);
        EXPECT_TRUE(eventually([&] { return phase(name) == "Running" || phase(name) == "Denied"; })) << name;
        if (phase(name) == "Denied") ++denied;
        if (phase(name) == "Denied") EXPECT_EQ(status(name, "reason"), "LimitExceeded");
    }
    EXPECT_EQ(denied, 3);
    EXPECT_EQ(injected("web").size(), 2U);
}

TEST_F(ThreatInput, H23TimesAndDurationsOfAnAuthorDoNotCount) {
    for (const json& bad :
         {json(0), json(-1), json("9999999h"), json("60"), json(1.5), json(99999999999999999), json(true)}) {
        const auto created = alice().create(request("bad", {{"deadlineSeconds", bad}}));
        ASSERT_FALSE(created) << bad;
        EXPECT_EQ(created.error().http_status, 422) << created.error().message;
    }
    ASSERT_TRUE(alice().create(request("long", {{"deadlineSeconds", 14401}})));
    expect_denied("long", "DeadlineTooLong");
    json object = request("old", {{"command", {"sleep", "infinity"}}, {"deadlineSeconds", 1}});
    object["metadata"]["creationTimestamp"] = "2099-01-01T00:00:00Z";
    object["status"] = {{"startedAt", "2099-01-01T00:00:00Z"}, {"expiresAt", "2099-01-01T00:00:00Z"}};
    ASSERT_TRUE(alice().create(object));
    EXPECT_EQ(outcome("old"), "Expired/DeadlineExceeded");
    EXPECT_FALSE(kube::dump_json(stored("old")).contains("2099"));
}

}  // namespace
}  // namespace endoscope::test
