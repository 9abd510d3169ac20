// What a policy says about who asks, for which image, and for what container.

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

const std::string kDigest = "@sha256:" + std::string(64, '1');

TEST(Verdict, EveryReasonOfTheRequester) {
    const Row rows[] = {
        {"service account", Reason::requester_not_allowed,
         [](Case& c) { c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl"; },
         "requesters.serviceAccounts"},
        {"other service account", Reason::requester_not_allowed,
         [](Case& c) {
             c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl2";
             c.rules()["requesters"] = {{"serviceAccounts", {"argocd/ctrl"}}};
         },
         "argocd:ctrl2"},
        {"no service account's name", Reason::requester_not_allowed,
         [](Case& c) {
             c.spec()["requester"]["username"] = "system:serviceaccount:argocd/ctrl";
             c.rules()["requesters"] = {{"serviceAccounts", {"argocd/ctrl"}}};
         },
         "service account"},
        {"on behalf of a service account", Reason::requester_not_allowed,
         [](Case& c) {
             c.spec()["onBehalfOf"] = {{"username", "system:serviceaccount:argocd:ctrl"}};
             c.impersonation = Authorization::allowed;
         },
         "spec.onBehalfOf"},
        {"a service account on behalf of a person", Reason::requester_not_allowed,
         [](Case& c) {
             c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl";
             c.spec()["onBehalfOf"] = {{"username", "bob"}};
             c.impersonation = Authorization::allowed;
         },
         "requesters.serviceAccounts"},
    };
    for (const Row& row : rows) expect_denied_by_policy(row);
}

TEST(Verdict, EveryReasonOfTheImage) {
    const Row rows[] = {
        {"denied image", Reason::image_denied, [](Case& c) { c.rules()["images"]["deny"] = {"*:1.*"}; }, "*:1.*"},
        {"denied by the tag beside a digest", Reason::image_denied,
         [](Case& c) {
             c.spec()["image"] = "busybox:latest" + kDigest;
             c.rules()["images"]["deny"] = {"**:latest"};
         },
         "images.deny"},
        {"other image", Reason::image_not_allowed, [](Case& c) { c.spec()["image"] = "ghcr.io/busybox"; },
         "images.allow"},
        {"empty list", Reason::image_not_allowed, [](Case& c) { c.rules()["images"].erase("allow"); }, "(none)"},
        {"digest under an allowed tag", Reason::image_not_allowed,
         [](Case& c) {
             c.rules()["images"]["allow"] = {"busybox:1.36"};
             c.spec()["image"] = "busybox:1.36" + kDigest;
         },
         "images.allow"},
        {"digest wanted", Reason::digest_required, [](Case& c) { c.rules()["images"]["requireDigest"] = true; },
         "images.requireDigest"},
    };
    for (const Row& row : rows) expect_denied_by_policy(row);
}

TEST(Verdict, EveryReasonOfTheContainer) {
    const Row rows[] = {
        {"profile", Reason::profile_not_allowed, [](Case& c) { c.spec()["profile"] = "netadmin"; }, "spec.profile"},
        {"unknown profile", Reason::profile_not_allowed, [](Case& c) { c.spec()["profile"] = "legacy"; }, "legacy"},
        {"no profiles", Reason::profile_not_allowed, [](Case& c) { c.rules().erase("profiles"); }, "(none)"},
        {"user 0", Reason::run_as_not_allowed, [](Case& c) { c.spec()["runAs"] = {{"user", 0}}; }, "runAs.minUser"},
        {"below the least user", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"user", 999}};
             c.rules()["runAs"] = {{"minUser", 1000}};
         },
         "999"},
        {"user 0 with restricted", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"user", 0}};
             c.rules()["runAs"] = {{"minUser", 0}};
         },
         "does not run as user 0"},
        {"match not allowed", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"matchTarget", true}};
             c.pod_spec()["securityContext"] = {{"runAsUser", 1000}};
         },
         "runAs.allowMatchTarget"},
        {"nothing to match", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"matchTarget", true}};
             c.rules()["runAs"] = {{"allowMatchTarget", true}};
         },
         "spec.runAs.user"},
        {"matched user is judged", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"matchTarget", true}};
             c.rules()["runAs"] = {{"allowMatchTarget", true}, {"minUser", 1000}};
             c.pod_spec()["securityContext"] = {{"runAsUser", 999}};
         },
         "999"},
        {"env", Reason::env_not_allowed, [](Case& c) { c.spec()["env"] = {{{"name", "TERM"}, {"value", ""}}}; },
         "env.allowedNames"},
        {"second env", Reason::env_not_allowed,
         [](Case& c) {
             c.spec()["env"] = {{{"name", "TERM"}, {"value", ""}}, {{"name", "LD_PRELOAD"}, {"value", ""}}};
             c.rules()["env"] = {{"allowedNames", {"TERM"}}};
         },
         "LD_PRELOAD"},
        {"command", Reason::command_not_allowed,
         [](Case& c) {
             c.spec()["mode"] = "Command";
             c.spec()["command"] = {"sh"};
             c.rules()["commands"] = json::parse(R"([["ps","aux"],["ls"]])");
         },
         "spec.command"},
        {"half a prefix", Reason::command_not_allowed,
         [](Case& c) {
             c.spec()["mode"] = "Command";
             c.spec()["command"] = {"ps"};
             c.rules()["commands"] = json::parse(R"([["ps","aux"]])");
         },
         "spec.command"},
        {"arguments of an unknown entry point", Reason::command_not_allowed,
         [](Case& c) {
             c.spec()["mode"] = "Command";
             c.spec()["args"] = {"ps", "aux"};
             c.rules()["commands"] = json::parse(R"([["ps","aux"]])");
         },
         "spec.command"},
    };
    for (const Row& row : rows) expect_denied_by_policy(row);
}

TEST(Verdict, JustTheRightRequesterImageAndContainer) {
    expect_allowed("listed service account", [](Case& c) {
        c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl";
        c.rules()["requesters"] = {{"serviceAccounts", {"argocd/ctrl"}}};
    });
    expect_allowed("any service account", [](Case& c) {
        c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl";
        c.rules()["requesters"] = {{"allowServiceAccounts", true}};
    });
    expect_allowed("a listed service account on behalf of a person", [](Case& c) {
        c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl";
        c.spec()["onBehalfOf"] = {{"username", "bob"}};
        c.rules()["requesters"] = {{"serviceAccounts", {"argocd/ctrl"}}};
        c.impersonation = Authorization::allowed;
    });
    expect_allowed("a user with an odd name",
                   [](Case& c) { c.spec()["requester"]["username"] = "system:serviceaccounts"; });
    expect_allowed("digest", [](Case& c) {
        c.spec()["image"] = "busybox" + kDigest;
        c.rules()["images"]["requireDigest"] = true;
    });
    expect_allowed("root where it may be", [](Case& c) {
        c.spec()["runAs"] = {{"user", 0}};
        c.spec()["profile"] = "baseline";
        c.rules()["runAs"] = {{"minUser", 0}};
    });
    expect_allowed("env by glob", [](Case& c) {
        c.spec()["env"] = {{{"name", "LC_ALL"}, {"value", "C"}}};
        c.rules()["env"] = {{"allowedNames", {"LC_*"}}};
    });
    expect_allowed("prefix across command and args", [](Case& c) {
        c.spec()["mode"] = "Command";
        c.spec()["command"] = {"ps"};
        c.spec()["args"] = {"aux", "more"};
        c.rules()["commands"] = json::parse(R"([["ls"],["ps","aux"]])");
    });
    expect_allowed("commands bind Command mode only", [](Case& c) { c.rules()["commands"] = {{"ls"}}; });
}

}  // namespace
}  // namespace endoscope::controller
