#include "api/debug_request.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace endoscope::api {
namespace {

using nlohmann::json;

json minimal() {
    return json::parse(R"({"apiVersion":"endoscope.dev/v1alpha1","kind":"DebugRequest",
        "metadata":{"namespace":"production","name":"r"},
        "spec":{"target":{"podName":"web"},"image":"busybox"}})");
}

json whole() {
    return json::parse(
        R"({"metadata":{"namespace":"production","name":"r","uid":"u","resourceVersion":"7","generation":1,
        "creationTimestamp":"2026-01-01T00:00:00Z","deletionTimestamp":"2026-01-01T01:00:00Z",
        "finalizers":["endoscope.dev/session","a/b"],"labels":{"x":"y"}},
        "spec":{"reason":"INC-1","target":{"podName":"web","container":"nginx"},"image":"busybox","imagePullPolicy":"IfNotPresent",
          "mode":"Command","command":["ps"],"args":["aux"],"workingDir":"/","env":[{"name":"TERM","value":"xterm"}],
          "profile":"baseline","runAs":{"user":1000,"group":1000},"containerName":"dbg","deadlineSeconds":60,
          "requester":{"username":"alice","uid":"1","groups":["dev"],"extra":{"k":["v"]},"stampedAt":"t","seal":"s"}},
        "status":{"observedGeneration":1,"phase":"Running","reason":"Started","message":"m",
          "policy":{"name":"p","uid":"pu","generation":3},"image":"docker.io/library/busybox:latest",
          "targets":[{"podName":"web","podUID":"u","nodeName":"n","containerName":"dbg","state":"Running","reason":"Started",
            "message":"m","imageID":"i","startedAt":"s","finishedAt":"f","exitCode":0,"output":"o"}],
          "startedAt":"s","finishedAt":"f","expiresAt":"e","attachCommand":"a","logsCommand":"l",
          "conditions":[{"type":"Ready","status":"True","reason":"Started","message":"","lastTransitionTime":"t"}]}})");
}

TEST(DebugRequest, ReadsEveryFieldAndWritesItBack) {
    const auto request = parse_debug_request(whole());
    ASSERT_TRUE(request) << request.error().text();
    EXPECT_EQ(request->namespace_name, "production");
    EXPECT_EQ(request->deletion_timestamp, "2026-01-01T01:00:00Z");
    EXPECT_EQ(request->finalizers, (std::vector<std::string>{std::string(kFinalizer), "a/b"}));
    EXPECT_EQ(request->spec.mode, Mode::command);
    EXPECT_EQ(request->spec.image_pull_policy, PullPolicy::if_not_present);
    EXPECT_EQ(request->spec.run_as->group, 1000);
    EXPECT_EQ(request->spec.requester->extra.at("k"), std::vector<std::string>{"v"});
    EXPECT_EQ(request->status.phase, Phase::running);
    EXPECT_EQ(request->status.targets.at(0).exit_code, 0);
    EXPECT_TRUE(validate(*request).empty());

    json expected = whole();
    expected["metadata"].erase("labels");
    json written = to_json(*request);
    EXPECT_EQ(written["kind"], "DebugRequest");
    EXPECT_EQ(written["spec"], expected["spec"]);
    EXPECT_EQ(written["status"], expected["status"]);
    EXPECT_EQ(written["metadata"], expected["metadata"]);
}

TEST(DebugRequest, DefaultsAndNulls) {
    json object = minimal();
    object["spec"]["env"] = nullptr;
    object["spec"]["runAs"] = nullptr;
    object["spec"]["profile"] = nullptr;
    object["status"] = nullptr;
    const auto request = parse_debug_request(object);
    ASSERT_TRUE(request) << request.error().text();
    EXPECT_EQ(request->spec.mode, Mode::interactive);
    EXPECT_EQ(request->spec.profile, "restricted");
    EXPECT_EQ(request->spec.run_as, std::nullopt);
    EXPECT_EQ(request->status, DebugRequestStatus());
    EXPECT_TRUE(validate(*request).empty());
}

struct Mistake {
    const char* pointer;
    const char* value;
    const char* field;
};

TEST(DebugRequest, ParseErrorsNameTheField) {
    const Mistake rows[] = {
        {"/spec/privileged", "true", "spec.privileged"},
        {"/spec/volumeMounts", "[]", "spec.volumeMounts"},
        {"/spec/envFrom", "[]", "spec.envFrom"},
        {"/spec/target/namespace", R"("other")", "spec.target.namespace"},
        {"/spec/target", "[]", "spec.target"},
        {"/spec/target/podName", "1", "spec.target.podName"},
        {"/spec/image", "{}", "spec.image"},
        {"/spec/imagePullPolicy", R"("Never")", "spec.imagePullPolicy"},
        {"/spec/mode", R"("interactive")", "spec.mode"},
        {"/spec/command", R"("sh -c x")", "spec.command"},
        {"/spec/command", R"(["sh", 1])", "spec.command[1]"},
        {"/spec/env", R"([{"name":"A","valueFrom":{}}])", "spec.env[0].valueFrom"},
        {"/spec/env", R"(["A=B"])", "spec.env[0]"},
        {"/spec/runAs", R"({"user":"0"})", "spec.runAs.user"},
        {"/spec/runAs", R"({"user":1000.5})", "spec.runAs.user"},
        {"/spec/runAs", R"({"privileged":true})", "spec.runAs.privileged"},
        {"/spec/deadlineSeconds", "3600.0", "spec.deadlineSeconds"},
        {"/spec/deadlineSeconds", R"("1h")", "spec.deadlineSeconds"},
        {"/spec/deadlineSeconds", "18446744073709551615", "spec.deadlineSeconds"},
        {"/spec/requester", R"({"username":["root"]})", "spec.requester.username"},
        {"/spec/requester", R"({"username":"a","admin":true})", "spec.requester.admin"},
        {"/spec/requester", R"({"extra":{"k":"v"}})", "spec.requester.extra.k"},
        {"/spec", "1", "spec"},
        {"/metadata", "[]", "metadata"},
        {"/metadata/name", "1", "metadata.name"},
    };
    for (const Mistake& row : rows) {
        json object = minimal();
        object[json::json_pointer(row.pointer)] = json::parse(row.value);
        const auto request = parse_debug_request(object);
        ASSERT_FALSE(request) << row.pointer << " " << row.value;
        EXPECT_EQ(request.error().field, row.field);
        EXPECT_FALSE(request.error().message.empty());
    }
}

TEST(DebugRequest, ParsesAnythingWithoutThrowing) {
    for (const char* text :
         {"null", "1", "[]", "\"x\"", "{}", R"({"metadata":null,"spec":null})", R"({"status":[1]})"}) {
        const auto request = parse_debug_request(json::parse(text));
        if (request) EXPECT_FALSE(validate(*request).empty()) << text;
    }
}

TEST(DebugRequest, AStatusThatWasTamperedWithIsNoError) {
    json object = minimal();
    object["status"] = json::parse(R"({"phase":"Approved","targets":[1,{"podName":2}],"policy":"x","conditions":7,
        "message":[],"observedGeneration":"x"})");
    const auto request = parse_debug_request(object);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->status.phase, std::nullopt);
    EXPECT_EQ(request->status.targets.size(), 1U);
}

TEST(DebugRequest, ValidationNamesTheField) {
    const Mistake rows[] = {
        {"/spec/reason", R"("a\nb")", "spec.reason"},
        {"/spec/reason", R"("\u001b[2J")", "spec.reason"},
        {"/spec/target", "{}", "spec.target"},
        {"/spec/target", R"({"podName":"a","workload":{"kind":"Deployment","name":"x"}})", "spec.target"},
        {"/spec/target", R"({"podName":"a","selector":{"matchLabels":{"a":"b"}}})", "spec.target"},
        {"/spec/target", R"({"selector":{"matchLabels":{"a":"b"}},"workload":{"kind":"Job","name":"x"}})",
         "spec.target"},
        {"/spec/target", R"({"maxPods":1})", "spec.target"},
        {"/spec/target", R"({"podName":"a","maxPods":2})", "spec.target.maxPods"},
        {"/spec/target", R"({"selector":{}})", "spec.target.selector"},
        {"/spec/target", R"({"selector":{"matchLabels":{}}})", "spec.target.selector"},
        {"/spec/target", R"({"workload":{}})", "spec.target.workload.kind"},
        {"/spec/target", R"({"workload":{"kind":"Job"}})", "spec.target.workload.name"},
        {"/spec/target", R"({"workload":{"kind":"deployment","name":"x"}})", "spec.target.workload.kind"},
        {"/spec/target", R"({"workload":{"kind":"Job","name":"x"},"maxPods":0})", "spec.target.maxPods"},
        {"/spec/target", R"({"workload":{"kind":"CronJob","name":"x"}})", "spec.target.workload.kind"},
        {"/spec/target", R"({"workload":{"kind":"Job","name":"X"}})", "spec.target.workload.name"},
        {"/spec/target", R"({"selector":{"matchLabels":{"a":"b"}},"maxPods":21})", "spec.target.maxPods"},
        {"/spec/target/podName", R"("Web")", "spec.target.podName"},
        {"/spec/target/podName", R"("../x")", "spec.target.podName"},
        {"/spec/target/maxPods", "1", "spec.target.maxPods"},
        {"/spec/target/container", R"("a.b")", "spec.target.container"},
        {"/spec/image", R"("")", "spec.image"},
        {"/spec/command", R"(["a\u0000b"])", "spec.command[0]"},
        {"/spec/workingDir", R"("/\n")", "spec.workingDir"},
        {"/spec/env", R"([{"name":"1A","value":""}])", "spec.env[0].name"},
        {"/spec/env", R"([{"name":"A","value":""},{"name":"A","value":""}])", "spec.env[1].name"},
        {"/spec/env", R"([{"name":"ENDOSCOPE_REQUEST","value":"x/y"}])", "spec.env[0].name"},
        {"/spec/profile", R"("Restricted")", "spec.profile"},
        {"/spec/runAs", R"({})", "spec.runAs"},
        {"/spec/runAs", R"({"group":1})", "spec.runAs"},
        {"/spec/runAs", R"({"matchTarget":true,"user":1})", "spec.runAs"},
        {"/spec/runAs", R"({"user":-1})", "spec.runAs.user"},
        {"/spec/runAs", R"({"user":2147483648})", "spec.runAs.user"},
        {"/spec/runAs", R"({"user":1,"group":-1})", "spec.runAs.group"},
        {"/spec/containerName", R"("A")", "spec.containerName"},
        {"/spec/deadlineSeconds", "0", "spec.deadlineSeconds"},
        {"/spec/deadlineSeconds", "-5", "spec.deadlineSeconds"},
        {"/spec/deadlineSeconds", "604801", "spec.deadlineSeconds"},
        {"/spec/output", R"({"tailLines":50})", "spec.output"},
        {"/spec/output", R"({"tailLines":0})", "spec.output.tailLines"},
        {"/spec/onBehalfOf", R"({"username":""})", "spec.onBehalfOf.username"},
        {"/spec/onBehalfOf", R"({"username":"bob\nalice"})", "spec.onBehalfOf.username"},
    };
    for (const Mistake& row : rows) {
        json object = minimal();
        object[json::json_pointer(row.pointer)] = json::parse(row.value);
        const auto request = parse_debug_request(object);
        ASSERT_TRUE(request) << row.pointer << ": " << request.error().text();
        const auto errors = validate(*request);
        ASSERT_FALSE(errors.empty()) << row.pointer << " " << row.value;
        EXPECT_EQ(errors.front().field, row.field) << errors.front().text();
    }
}

TEST(DebugRequest, ValidationHoldsTheBounds) {
    struct Row {
        const char* field;
        std::function<void(DebugRequestSpec&)> at_limit;
        std::function<void(DebugRequestSpec&)> beyond;
    };
    const Row rows[] = {
        // Characters count, not bytes.
        {"spec.reason",
         [](auto& s) {
             for (int i = 0; i < 1024; ++i) s.reason += "雪";
         },
         [](auto& s) { s.reason = std::string(1025, 'x'); }},
        {"spec.image", [](auto& s) { s.image = std::string(1024, 'x'); },
         [](auto& s) { s.image = std::string(1025, 'x'); }},
        {"spec.command", [](auto& s) { s.command.assign(64, "x"); }, [](auto& s) { s.command.assign(65, "x"); }},
        {"spec.args[0]", [](auto& s) { s.args = {std::string(4096, 'x')}; },
         [](auto& s) { s.args = {std::string(4097, 'x')}; }},
        {"spec.deadlineSeconds", [](auto& s) { s.deadline_seconds = 604800; },
         [](auto& s) { s.deadline_seconds = 604801; }},
        {"spec.env[0].value", [](auto& s) { s.env = {{"A", std::string(4096, 'x')}}; },
         [](auto& s) { s.env = {{"A", std::string(4097, 'x')}}; }},
    };
    for (const Row& row : rows) {
        auto request = *parse_debug_request(minimal());
        row.at_limit(request.spec);
        EXPECT_TRUE(validate(request).empty()) << row.field;
        request = *parse_debug_request(minimal());
        row.beyond(request.spec);
        const auto errors = validate(request);
        ASSERT_EQ(errors.size(), 1U) << row.field;
        EXPECT_EQ(errors[0].field, row.field);
    }
}

}  // namespace
}  // namespace endoscope::api
