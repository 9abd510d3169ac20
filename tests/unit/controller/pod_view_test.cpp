#include "controller/pod_view.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

using nlohmann::json;

json whole() {
    return json::parse(R"({"metadata":{"namespace":"production","name":"web","uid":"u","resourceVersion":"5",
        "labels":{"app":"web"},"annotations":{"kubectl.kubernetes.io/default-container":"side"},"managedFields":[{"x":1}]},
      "spec":{"nodeName":"n1","serviceAccountName":"sa","hostPID":true,"hostNetwork":true,"hostIPC":true,
        "os":{"name":"linux"},"nodeSelector":{"kubernetes.io/os":"linux"},
        "securityContext":{"runAsUser":1000,"runAsGroup":2000,"runAsNonRoot":true},
        "containers":[{"name":"nginx","securityContext":null},{"name":"side","securityContext":{"privileged":true,"runAsUser":7}}],
        "initContainers":[{"name":"setup"}],
        "ephemeralContainers":[{"name":"dbg-1","image":"busybox","targetContainerName":"nginx",
          "env":[{"name":"A","valueFrom":{}},{"name":"ENDOSCOPE_REQUEST","value":"production/r"}]}]},
      "status":{"phase":"Running","reason":"R","ephemeralContainerStatuses":[
        {"name":"b","state":{"waiting":{"reason":"ErrImagePull","message":"m"}}},
        {"name":"a","imageID":"i","restartCount":1,"state":{"running":{"startedAt":"s"}}},
        {"name":"c","state":{"terminated":{"exitCode":137,"reason":"Error","startedAt":"s","finishedAt":"f"}}},
        {"name":"d","state":{}}]}})");
}

TEST(PodView, ReadsWhatItNeeds) {
    const auto pod = parse_pod(whole());
    ASSERT_TRUE(pod) << pod.error().text();
    EXPECT_EQ(pod->uid, "u");
    EXPECT_EQ(pod->labels.at("app"), "web");
    EXPECT_EQ(pod->service_account, "sa");
    EXPECT_TRUE(pod->host_pid && pod->host_network && pod->host_ipc);
    EXPECT_FALSE(pod->deleting || pod->is_static || pod->is_windows);
    EXPECT_EQ(pod->run_as_user, 1000);
    EXPECT_EQ(pod->run_as_non_root, true);
    ASSERT_EQ(pod->containers.size(), 3U);
    EXPECT_EQ(pod->containers[2].kind, PodView::ContainerKind::init);
    EXPECT_TRUE(pod->find_container("side")->privileged);
    EXPECT_EQ(pod->default_target()->name, "side");
    EXPECT_EQ(pod->find_container("dbg-1"), nullptr);
    ASSERT_NE(pod->find_ephemeral("dbg-1"), nullptr);
    EXPECT_EQ(pod->find_ephemeral("dbg-1")->request, "production/r");
    EXPECT_EQ(json::parse(pod->find_ephemeral("dbg-1")->json), whole()["spec"]["ephemeralContainers"][0]);
    EXPECT_EQ(pod->find_ephemeral_status("b")->state, PodView::State::waiting);
    EXPECT_EQ(pod->find_ephemeral_status("a")->image_id, "i");
    EXPECT_EQ(pod->find_ephemeral_status("a")->restart_count, 1);
    EXPECT_EQ(pod->find_ephemeral_status("c")->exit_code, 137);
    EXPECT_EQ(pod->find_ephemeral_status("d")->state, PodView::State::unknown);
    EXPECT_EQ(pod->find_ephemeral_status("e"), nullptr);
}

TEST(PodView, TheControllerIsTheOwnerThatSaysSo) {
    json pod = whole();
    pod["metadata"]["ownerReferences"] = json::parse(R"([
        {"apiVersion":"v1","kind":"Node","name":"n1"},
        {"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-5d4","controller":true},
        {"apiVersion":"acme.dev/v1","kind":"Owner","name":"o","controller":false}])");
    const auto owned = parse_pod(pod);
    ASSERT_TRUE(owned) << owned.error().text();
    EXPECT_EQ(owned->owner_group, "apps");
    EXPECT_EQ(owned->owner_kind, "ReplicaSet");
    EXPECT_EQ(owned->owner_name, "web-5d4");
    pod["metadata"]["ownerReferences"] =
        json::parse(R"([{"apiVersion":"v1","kind":"Node","name":"n1","controller":true}])");
    const auto of_core = parse_pod(pod);
    ASSERT_TRUE(of_core) << of_core.error().text();
    EXPECT_EQ(of_core->owner_group, "");
    EXPECT_EQ(of_core->owner_kind, "Node");
    EXPECT_EQ(parse_pod(whole())->owner_kind, "");
}

TEST(PodView, Traits) {
    struct Row {
        const char* pointer;
        const char* value;
        bool PodView::* trait;
    };
    const Row rows[] = {
        {"/metadata/deletionTimestamp", R"("2026-01-01T00:00:00Z")", &PodView::deleting},
        {"/metadata/annotations", R"({"kubernetes.io/config.mirror":"abc"})", &PodView::is_static},
        {"/metadata/annotations", R"({"kubernetes.io/config.source":"file"})", &PodView::is_static},
        {"/spec/os", R"({"name":"windows"})", &PodView::is_windows},
        {"/spec/nodeSelector", R"({"kubernetes.io/os":"windows"})", &PodView::is_windows},
    };
    for (const Row& row : rows) {
        json object = whole();
        object[json::json_pointer(row.pointer)] = json::parse(row.value);
        EXPECT_TRUE((*parse_pod(object)).*row.trait) << row.pointer;
    }
    json api_source = whole();
    api_source["metadata"]["annotations"] = {{"kubernetes.io/config.source", "api"}};
    EXPECT_FALSE(parse_pod(api_source)->is_static);
}

TEST(PodView, DefaultTarget) {
    json object = whole();
    object["metadata"].erase("annotations");
    EXPECT_EQ(parse_pod(object)->default_target()->name, "nginx");
    object["metadata"]["annotations"] = {{"kubectl.kubernetes.io/default-container", "gone"}};
    EXPECT_EQ(parse_pod(object)->default_target(), nullptr);  // As kubectl: not silently another one.
    object["metadata"].erase("annotations");
    object["spec"]["containers"] = nullptr;
    EXPECT_EQ(parse_pod(object)->default_target(), nullptr);
}

TEST(PodView, NullsAndAbsenceAreTheSame) {
    const auto pod = parse_pod(
        json::parse(R"({"metadata":{"annotations":null,"labels":null},"spec":null,"status":{"phase":null}})"));
    ASSERT_TRUE(pod) << pod.error().text();
    EXPECT_EQ(pod->service_account, "default");
    EXPECT_TRUE(parse_pod(json::parse("null")));
}

TEST(PodView, AWrongTypeIsAnErrorAndNotAHarmlessPod) {
    struct Row {
        const char* pointer;
        const char* value;
        const char* field;
    };
    const Row rows[] = {
        {"/spec/hostPID", R"("true")", "spec.hostPID"},
        {"/spec/containers", "{}", "spec.containers"},
        {"/spec/containers/0", "1", "spec.containers[0]"},
        {"/spec/containers/1/securityContext/privileged", "1", "spec.containers[1].securityContext.privileged"},
        {"/spec/securityContext", "[]", "spec.securityContext"},
        {"/metadata/labels", R"({"a":1})", "metadata.labels.a"},
        {"/spec/ephemeralContainers/0/env", "{}", "spec.ephemeralContainers[0].env"},
        {"/status/ephemeralContainerStatuses/2/state/terminated/exitCode", R"("0")",
         "status.ephemeralContainerStatuses[2].state.terminated.exitCode"},
    };
    for (const Row& row : rows) {
        json object = whole();
        object[json::json_pointer(row.pointer)] = json::parse(row.value);
        const auto pod = parse_pod(object);
        ASSERT_FALSE(pod) << row.pointer;
        EXPECT_EQ(pod.error().field, row.field);
    }
    for (const char* text : {"1", "[]", "\"x\""}) EXPECT_FALSE(parse_pod(json::parse(text))) << text;
}

}  // namespace
}  // namespace endoscope::controller
