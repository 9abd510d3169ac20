#include "controller/container.hpp"

#include "controller/profile.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace endoscope::controller {
namespace {

using nlohmann::json;

api::DebugRequest request() {
    return *api::parse_debug_request(json::parse(R"({"metadata":{"namespace":"production","name":"r"},
        "spec":{"target":{"podName":"web"},"image":"busybox"}})"));
}

ContainerPlan plan() {
    return {.name = "dbg-x",
            .image = "docker.io/library/busybox:latest",
            .has_digest = false,
            .target_container = "nginx",
            .profile = "baseline",
            .security_context = {}};
}

TEST(Container, InteractiveWithDefaults) {
    EXPECT_EQ(build_ephemeral_container(request(), plan()), json::parse(R"({
        "name":"dbg-x","image":"docker.io/library/busybox:latest","imagePullPolicy":"Always","targetContainerName":"nginx",
        "stdin":true,"stdinOnce":true,"tty":true,"env":[{"name":"ENDOSCOPE_REQUEST","value":"production/r"}]})"));
}

TEST(Container, CommandWithEverything) {
    api::DebugRequest whole = request();
    whole.spec.mode = api::Mode::command;
    whole.spec.command = {"/bin/sh", "-c", "echo \"$(HOME)\"\n"};
    whole.spec.args = {"a b"};
    whole.spec.working_dir = "/tmp";
    whole.spec.env = {{"TERM", "xterm"}};
    ContainerPlan decided = plan();
    decided.security_context = builtin_profile("restricted").value();
    decided.security_context.run_as_user = 1000;
    decided.security_context.run_as_group = 2000;
    EXPECT_EQ(build_ephemeral_container(whole, decided), json::parse(R"({
        "name":"dbg-x","image":"docker.io/library/busybox:latest","imagePullPolicy":"Always","targetContainerName":"nginx",
        "command":["/bin/sh","-c","echo \"$(HOME)\"\n"],"args":["a b"],"workingDir":"/tmp",
        "env":[{"name":"TERM","value":"xterm"},{"name":"ENDOSCOPE_REQUEST","value":"production/r"}],
        "securityContext":{"runAsUser":1000,"runAsGroup":2000,"runAsNonRoot":true,"capabilities":{"drop":["ALL"]},
          "allowPrivilegeEscalation":false,"seccompProfile":{"type":"RuntimeDefault"}}})"));
}

TEST(Container, BaselineHasAContextOnlyForAUser) {
    ContainerPlan decided = plan();
    EXPECT_FALSE(build_ephemeral_container(request(), decided).contains("securityContext"));
    decided.security_context.run_as_user = 0;
    EXPECT_EQ(build_ephemeral_container(request(), decided)["securityContext"], json({{"runAsUser", 0}}));
}

TEST(Container, PullPolicy) {
    api::DebugRequest asked = request();
    ContainerPlan decided = plan();
    const auto policy = [&] { return build_ephemeral_container(asked, decided)["imagePullPolicy"]; };
    EXPECT_EQ(policy(), "Always");
    decided.has_digest = true;
    EXPECT_EQ(policy(), "IfNotPresent");
    asked.spec.image_pull_policy = api::PullPolicy::always;
    EXPECT_EQ(policy(), "Always");
    decided.has_digest = false;
    asked.spec.image_pull_policy = api::PullPolicy::if_not_present;
    EXPECT_EQ(policy(), "IfNotPresent");
}

TEST(ContainerName, HasTheDocumentedForm) {
    const std::string name = container_name("production", "r", std::string(64, '0'), "u-1");
    ASSERT_EQ(name.size(), 14U);
    EXPECT_TRUE(name.starts_with("dbg-"));
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567", 4), std::string::npos);
    // Computed with `printf 'a\0b\0c\0d' | sha256sum`, and the first 50 bits of it in base32.
    EXPECT_EQ(container_name("a", "b", "c", "d"), "dbg-z6jde34f6u");
}

TEST(ContainerName, DependsOnEveryPartAndOnWhereTheyEnd) {
    std::set<std::string> names = {container_name("ab", "c", "d", "e"), container_name("a", "bc", "d", "e"),
                                   container_name("a", "b", "cd", "e"), container_name("a", "b", "c", "de"),
                                   container_name("abcde", "", "", ""), container_name("", "abcde", "", "")};
    EXPECT_EQ(names.size(), 6U);
}

TEST(ContainerName, IsTheRequestsOwnWhereItHasOne) {
    api::DebugRequest asked = request();
    const std::string name = container_name(asked, "u-1");
    EXPECT_NE(container_name(asked, "u-2"), name);
    EXPECT_EQ(container_name(asked, "u-1"), name);
    asked.spec.container_name = "mine";
    EXPECT_EQ(container_name(asked, "u-1"), "mine");
}

TEST(SpecDigest, DoesNotDependOnWhoAskedNorOnDefaultsWrittenOut) {
    api::DebugRequest asked = request();
    const std::string digest = spec_digest(asked.spec);
    EXPECT_EQ(digest.size(), 64U);
    asked.spec.requester = api::Requester{.username = "alice",
                                          .uid = {},
                                          .groups = {},
                                          .extra = {},
                                          .stamped_at = "2026-01-01T00:00:00Z",
                                          .seal = "v1.a.b"};
    EXPECT_EQ(spec_digest(asked.spec), digest);
    const auto with_defaults =
        api::parse_debug_request(json::parse(R"({"spec":{"target":{"podName":"web"},"image":"busybox",
        "mode":"Interactive","profile":"restricted","env":[],"command":[]}})"));
    EXPECT_EQ(spec_digest(with_defaults->spec), digest);
}

TEST(SpecDigest, DependsOnEveryOtherField) {
    const std::string digest = spec_digest(request().spec);
    void (*const changes[])(api::DebugRequestSpec&) = {
        [](auto& s) { s.reason = "x"; },
        [](auto& s) { s.target.pod_name = "x"; },
        [](auto& s) { s.target.container = "x"; },
        [](auto& s) { s.image = "x"; },
        [](auto& s) { s.image_pull_policy = api::PullPolicy::always; },
        [](auto& s) { s.mode = api::Mode::command; },
        [](auto& s) { s.command = {"x"}; },
        [](auto& s) { s.args = {"x"}; },
        [](auto& s) { s.working_dir = "/"; },
        [](auto& s) { s.env = {{"A", "x"}}; },
        [](auto& s) { s.profile = "baseline"; },
        [](auto& s) { s.run_as = api::RunAs{.user = 1, .group = {}}; },
        [](auto& s) { s.container_name = "x"; },
        [](auto& s) { s.deadline_seconds = 1; },
        [](auto& s) { s.output_tail_lines = 1; },
        [](auto& s) { s.on_behalf_of_username = "x"; },
    };
    std::set<std::string> digests{digest};
    for (const auto change : changes) {
        api::DebugRequestSpec spec = request().spec;
        change(spec);
        EXPECT_TRUE(digests.insert(spec_digest(spec)).second);
    }
}

}  // namespace
}  // namespace endoscope::controller
