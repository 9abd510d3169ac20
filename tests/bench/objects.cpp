#include "tests/bench/objects.hpp"

#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace endoscope::bench {

using nlohmann::json;

namespace {

constexpr const char* kCreated = "2026-01-02T03:04:05Z";
constexpr const char* kDigest = "sha256:5eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb0";

std::string hex(std::int64_t number) {
    char text[20];
    std::snprintf(text, sizeof text, "%012llx", static_cast<unsigned long long>(number));
    return text;
}

std::string uid(std::int64_t number) {
    return "6f1d2c3b-aaaa-4bbb-8ccc-" + hex(number);
}

std::string pod_name(std::int64_t number) {
    return "checkout-6d4b75cb6d-" + std::to_string(10000 + number);
}

std::string version(std::int64_t number) {
    return std::to_string(1000 + number);
}

json condition(const char* type, const char* message) {
    return {{"type", type},
            {"status", "True"},
            {"reason", "Running"},
            {"message", message},
            {"lastTransitionTime", kCreated},
            {"observedGeneration", 1}};
}

/// The shape of a kubelet's entry: one empty object for every field it owns.
json managed_status() {
    json fields = json::object();
    for (const char* type : {"ContainersReady", "Initialized", "PodReadyToStartContainers", "Ready"}) {
        fields[std::string("k:{\"type\":\"") + type + "\"}"] = {{".", json::object()},
                                                                {"f:lastProbeTime", json::object()},
                                                                {"f:lastTransitionTime", json::object()},
                                                                {"f:observedGeneration", json::object()},
                                                                {"f:status", json::object()},
                                                                {"f:type", json::object()}};
    }
    return {{"f:status",
             {{"f:conditions", fields},
              {"f:containerStatuses", json::object()},
              {"f:hostIP", json::object()},
              {"f:phase", json::object()},
              {"f:podIP", json::object()},
              {"f:startTime", json::object()}}}};
}

json container(const std::string& name) {
    json env = json::array();
    for (int i = 0; i < 8; ++i) {
        env.push_back({{"name", "SETTING_" + std::to_string(i)},
                       {"value", "https://" + name + ".example.com/" + std::to_string(i)}});
    }
    const json probe = {{"httpGet", {{"path", "/healthz"}, {"port", 8080}, {"scheme", "HTTP"}}},
                        {"timeoutSeconds", 1},
                        {"periodSeconds", 10},
                        {"successThreshold", 1},
                        {"failureThreshold", 3}};
    return {{"name", name},
            {"image", "registry.example.com/team/" + name + ":1.2.3"},
            {"env", std::move(env)},
            {"ports", {{{"containerPort", 8080}, {"protocol", "TCP"}}}},
            {"resources", {{"limits", {{"memory", "256Mi"}}}, {"requests", {{"cpu", "100m"}, {"memory", "256Mi"}}}}},
            {"volumeMounts",
             {{{"name", "kube-api-access-x7k2p"},
               {"readOnly", true},
               {"mountPath", "/var/run/secrets/kubernetes.io/serviceaccount"}}}},
            {"livenessProbe", probe},
            {"readinessProbe", probe},
            {"terminationMessagePath", "/dev/termination-log"},
            {"terminationMessagePolicy", "File"},
            {"imagePullPolicy", "IfNotPresent"},
            {"securityContext",
             {{"allowPrivilegeEscalation", false}, {"runAsNonRoot", true}, {"capabilities", {{"drop", {"ALL"}}}}}}};
}

json container_status(const std::string& name) {
    return {{"name", name},
            {"state", {{"running", {{"startedAt", kCreated}}}}},
            {"lastState", json::object()},
            {"ready", true},
            {"restartCount", 0},
            {"image", "registry.example.com/team/" + name + ":1.2.3"},
            {"imageID", "registry.example.com/team/" + name + "@" + kDigest},
            {"containerID", std::string("containerd://") + (kDigest + 7)},
            {"started", true}};
}

}  // namespace

std::string pod_json(std::int64_t number) {
    const std::string name = pod_name(number);
    const json managed = {{{"manager", "kube-controller-manager"},
                           {"operation", "Update"},
                           {"apiVersion", "v1"},
                           {"time", kCreated},
                           {"fieldsType", "FieldsV1"},
                           {"fieldsV1", {{"f:metadata", {{"f:labels", json::object()}}}, {"f:spec", json::object()}}}},
                          {{"manager", "kubelet"},
                           {"operation", "Update"},
                           {"apiVersion", "v1"},
                           {"time", kCreated},
                           {"fieldsType", "FieldsV1"},
                           {"fieldsV1", managed_status()},
                           {"subresource", "status"}}};
    json conditions = json::array();
    for (const char* type : {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"}) {
        conditions.push_back(
            {{"type", type}, {"status", "True"}, {"lastProbeTime", nullptr}, {"lastTransitionTime", kCreated}});
    }
    return kube::dump_json(
        {{"kind", "Pod"},
         {"apiVersion", "v1"},
         {"metadata",
          {{"name", name},
           {"generateName", "checkout-6d4b75cb6d-"},
           {"namespace", "production"},
           {"uid", uid(number)},
           {"resourceVersion", version(number)},
           {"creationTimestamp", kCreated},
           {"labels", {{"app", "checkout"}, {"pod-template-hash", "6d4b75cb6d"}, {"team", "payments"}}},
           {"annotations", {{"prometheus.io/scrape", "true"}, {"prometheus.io/port", "8080"}}},
           {"managedFields", managed}}},
         {"spec",
          {{"containers", {container("app"), container("proxy")}},
           {"nodeName", "node-17"},
           {"serviceAccountName", "checkout"},
           {"restartPolicy", "Always"},
           {"terminationGracePeriodSeconds", 30},
           {"dnsPolicy", "ClusterFirst"},
           {"securityContext", {{"runAsNonRoot", true}, {"runAsUser", 1000}}},
           {"schedulerName", "default-scheduler"}}},
         {"status",
          {{"phase", "Running"},
           {"conditions", std::move(conditions)},
           {"hostIP", "10.0.0.17"},
           {"podIP", "10.1.2.3"},
           {"startTime", kCreated},
           {"qosClass", "Burstable"},
           {"containerStatuses", {container_status("app"), container_status("proxy")}}}}});
}

std::string debug_request_json(std::int64_t number, RequestState state) {
    const std::string name = "checkout-502-" + std::to_string(number);
    const std::string pod = pod_name(number);
    const std::string container_name = "debug-" + hex(number);
    const bool is_running = state == RequestState::running;
    json target = {{"podName", pod},
                   {"podUID", uid(number)},
                   {"nodeName", "node-17"},
                   {"containerName", container_name},
                   {"state", is_running ? "Running" : "Terminated"},
                   {"imageID", std::string("registry.example.com/tools/debug@") + kDigest},
                   {"startedAt", kCreated}};
    if (!is_running) {
        target["finishedAt"] = "2026-01-02T03:34:05Z";
        target["exitCode"] = 0;
        target["reason"] = "Completed";
    }
    json status = {{"observedGeneration", 1},
                   {"phase", is_running ? "Running" : "Succeeded"},
                   {"reason", is_running ? "Running" : "Completed"},
                   {"message", "container " + container_name + " is running in Pod " + pod},
                   {"policy", {{"name", "production"}, {"uid", uid(1)}, {"generation", 3}}},
                   {"image", "registry.example.com/tools/debug:1.4"},
                   {"targets", {std::move(target)}},
                   {"startedAt", kCreated},
                   {"expiresAt", "2026-01-02T04:04:05Z"},
                   {"attachCommand", "kubectl attach -n production -it " + pod + " -c " + container_name},
                   {"logsCommand", "kubectl logs -n production " + pod + " -c " + container_name},
                   {"conditions",
                    {condition("Authorized", "the requester may debug this Pod"),
                     condition("PolicyAccepted", "accepted by DebugPolicy production"),
                     condition("Injected", "the container is in the Pod"), condition("Ready", "the container runs"),
                     condition("Reconciling", "the container runs"), condition("Stalled", "the container runs")}}};
    if (!is_running) status["finishedAt"] = "2026-01-02T03:34:05Z";
    const json managed = {{{"manager", "kubectl-client-side-apply"},
                           {"operation", "Update"},
                           {"apiVersion", "endoscope.dev/v1alpha1"},
                           {"time", kCreated},
                           {"fieldsType", "FieldsV1"},
                           {"fieldsV1",
                            {{"f:spec",
                              {{".", json::object()},
                               {"f:image", json::object()},
                               {"f:profile", json::object()},
                               {"f:reason", json::object()},
                               {"f:target", {{".", json::object()}, {"f:podName", json::object()}}}}}}}}};
    return kube::dump_json({{"kind", "DebugRequest"},
                            {"apiVersion", "endoscope.dev/v1alpha1"},
                            {"metadata",
                             {{"name", name},
                              {"namespace", "production"},
                              {"uid", uid(number)},
                              {"resourceVersion", version(number)},
                              {"generation", 1},
                              {"creationTimestamp", kCreated},
                              {"managedFields", managed}}},
                            {"spec",
                             {{"reason", "INC-4711: 502 from checkout"},
                              {"target", {{"podName", pod}, {"container", "app"}}},
                              {"image", "registry.example.com/tools/debug:1.4"},
                              {"mode", "Interactive"},
                              {"profile", "restricted"},
                              {"runAs", {{"user", 65532}}},
                              {"requester",
                               {{"username", "alice@example.com"},
                                {"uid", "7c9e6679-7425-40de-944b-e07fc1f90ae7"},
                                {"groups", {"payments-oncall", "system:authenticated"}},
                                {"stampedAt", kCreated},
                                {"seal", "v1.5cc28c053b.kq0v1n2m3b4v5c6x7z8l9k0j1h2g3f4d5s6a7p8o9i0"}}}}},
                            {"status", std::move(status)}});
}

std::string watch_event(const std::string& object) {
    return R"({"type":"MODIFIED","object":)" + object + "}\n";
}

}  // namespace endoscope::bench
