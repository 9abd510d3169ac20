#include "tests/model/builtin_schema.hpp"

#include <map>

namespace model {

namespace {

/// Shorthand: "s" string, "i" integer, "b" boolean, "*" anything, "is" int-or-string, "#x" the named shape x, [T] a
/// list,
/// {"@map": T} a map.
constexpr const char* kShapes = R"json({
"meta": {"name":"s","generateName":"s","namespace":"s","selfLink":"s","uid":"s","resourceVersion":"s","generation":"i",
  "creationTimestamp":"s","deletionTimestamp":"s","deletionGracePeriodSeconds":"i","labels":{"@map":"s"},
  "annotations":{"@map":"s"},"finalizers":["s"],"managedFields":["*"],
  "ownerReferences":[{"apiVersion":"s","kind":"s","name":"s","uid":"s","controller":"b","blockOwnerDeletion":"b"}]},
"security": {"capabilities":{"add":["s"],"drop":["s"]},"privileged":"b","seLinuxOptions":"*","windowsOptions":"*",
  "runAsUser":"i","runAsGroup":"i","runAsNonRoot":"b","readOnlyRootFilesystem":"b","allowPrivilegeEscalation":"b",
  "procMount":"s","seccompProfile":{"type":"s","localhostProfile":"s"},
  "appArmorProfile":{"type":"s","localhostProfile":"s"}},
"env": {"name":"s","value":"s","valueFrom":"*"},
"mount": {"name":"s","mountPath":"s","readOnly":"b","recursiveReadOnly":"s","subPath":"s","subPathExpr":"s",
  "mountPropagation":"s"},
"container": {"name":"s","image":"s","command":["s"],"args":["s"],"workingDir":"s",
  "ports":[{"name":"s","hostPort":"i","containerPort":"i","protocol":"s","hostIP":"s"}],"envFrom":["*"],"env":["#env"],
  "resources":"*","resizePolicy":["*"],"restartPolicy":"s","restartPolicyRules":["*"],"volumeMounts":["#mount"],
  "volumeDevices":["*"],"livenessProbe":"*","readinessProbe":"*","startupProbe":"*","lifecycle":"*",
  "terminationMessagePath":"s","terminationMessagePolicy":"s","imagePullPolicy":"s","securityContext":"#security",
  "stdin":"b","stdinOnce":"b","tty":"b"},
"ephemeral": {"name":"s","image":"s","command":["s"],"args":["s"],"workingDir":"s","ports":["*"],"envFrom":["*"],
  "env":["#env"],"resources":"*","resizePolicy":["*"],"restartPolicy":"s","restartPolicyRules":["*"],
  "volumeMounts":["#mount"],"volumeDevices":["*"],"livenessProbe":"*","readinessProbe":"*","startupProbe":"*",
  "lifecycle":"*","terminationMessagePath":"s","terminationMessagePolicy":"s","imagePullPolicy":"s",
  "securityContext":"#security","stdin":"b","stdinOnce":"b","tty":"b","targetContainerName":"s"},
"state": {"name":"s","state":{"waiting":{"reason":"s","message":"s"},"running":{"startedAt":"s"},
  "terminated":{"exitCode":"i","signal":"i","reason":"s","message":"s","startedAt":"s","finishedAt":"s",
  "containerID":"s"}},"lastState":"*","ready":"b","restartCount":"i","image":"s","imageID":"s","containerID":"s",
  "started":"b","allocatedResources":"*","allocatedResourcesStatus":"*","resources":"*","volumeMounts":["*"],
  "user":"*","stopSignal":"s"},
"conditions": [{"type":"s","status":"s","observedGeneration":"i","lastProbeTime":"s","lastTransitionTime":"s",
  "lastHeartbeatTime":"s","reason":"s","message":"s"}],
"reference": {"kind":"s","namespace":"s","name":"s","uid":"s","apiVersion":"s","resourceVersion":"s","fieldPath":"s"},
"rules": [{"verbs":["s"],"apiGroups":["s"],"resources":["s"],"resourceNames":["s"],"nonResourceURLs":["s"]}],
"subjects": [{"kind":"s","apiGroup":"s","name":"s","namespace":"s"}],
"roleRef": {"apiGroup":"s","kind":"s","name":"s"},
"hook": {"name":"s","clientConfig":{"url":"s","service":{"namespace":"s","name":"s","path":"s","port":"i"},
  "caBundle":"s"},"rules":[{"operations":["s"],"apiGroups":["s"],"apiVersions":["s"],"resources":["s"],"scope":"s"}],
  "failurePolicy":"s","matchPolicy":"s","namespaceSelector":"#selector","objectSelector":"#selector","sideEffects":"s",
  "timeoutSeconds":"i","admissionReviewVersions":["s"],"reinvocationPolicy":"s",
  "matchConditions":[{"name":"s","expression":"s"}]},
"selector": {"matchLabels":{"@map":"s"},"matchExpressions":[{"key":"s","operator":"s","values":["s"]}]},
"Pod": {"spec":{"volumes":["*"],"initContainers":["#container"],"containers":["#container"],
  "ephemeralContainers":["#ephemeral"],"restartPolicy":"s","terminationGracePeriodSeconds":"i",
  "activeDeadlineSeconds":"i","dnsPolicy":"s","nodeSelector":{"@map":"s"},"serviceAccountName":"s","serviceAccount":"s",
  "automountServiceAccountToken":"b","nodeName":"s","hostNetwork":"b","hostPID":"b","hostIPC":"b",
  "shareProcessNamespace":"b","securityContext":"*","imagePullSecrets":[{"name":"s"}],"hostname":"s","subdomain":"s",
  "affinity":"*","schedulerName":"s","tolerations":["*"],"hostAliases":["*"],"priorityClassName":"s","priority":"i",
  "dnsConfig":"*","readinessGates":["*"],"runtimeClassName":"s","enableServiceLinks":"b","preemptionPolicy":"s",
  "overhead":"*","topologySpreadConstraints":["*"],"setHostnameAsFQDN":"b","os":{"name":"s"},"hostUsers":"b",
  "schedulingGates":["*"],"resourceClaims":["*"],"resources":"*","hostnameOverride":"s"},
  "status":{"observedGeneration":"i","phase":"s","conditions":"#conditions","message":"s","reason":"s",
  "nominatedNodeName":"s","hostIP":"s","hostIPs":["*"],"podIP":"s","podIPs":["*"],"startTime":"s",
  "initContainerStatuses":["#state"],"containerStatuses":["#state"],"ephemeralContainerStatuses":["#state"],
  "qosClass":"s","resize":"s","resourceClaimStatuses":["*"],"extendedResourceClaimStatus":"*","allocatedResources":"*",
  "resources":"*"}},
"Namespace": {"spec":{"finalizers":["s"]},"status":{"phase":"s","conditions":"#conditions"}},
"Node": {"spec":{"podCIDR":"s","podCIDRs":["s"],"providerID":"s","unschedulable":"b","taints":["*"],"configSource":"*",
  "externalID":"s"},"status":"*"},
"Secret": {"data":{"@map":"s"},"stringData":{"@map":"s"},"type":"s","immutable":"b"},
"ConfigMap": {"data":{"@map":"s"},"binaryData":{"@map":"s"},"immutable":"b"},
"ServiceAccount": {"secrets":["*"],"imagePullSecrets":[{"name":"s"}],"automountServiceAccountToken":"b"},
"Service": {"spec":"*","status":"*"},
"Event": {"involvedObject":"#reference","reason":"s","message":"s","source":{"component":"s","host":"s"},
  "firstTimestamp":"s","lastTimestamp":"s","count":"i","type":"s","eventTime":"s",
  "series":{"count":"i","lastObservedTime":"s"},"action":"s","related":"#reference","reportingComponent":"s",
  "reportingInstance":"s"},
"EventV1": {"eventTime":"s","series":{"count":"i","lastObservedTime":"s"},"reportingController":"s",
  "reportingInstance":"s","action":"s","reason":"s","regarding":"#reference","related":"#reference","note":"s","type":"s",
  "deprecatedSource":{"component":"s","host":"s"},"deprecatedFirstTimestamp":"s","deprecatedLastTimestamp":"s",
  "deprecatedCount":"i"},
"Lease": {"spec":{"holderIdentity":"s","leaseDurationSeconds":"i","acquireTime":"s","renewTime":"s",
  "leaseTransitions":"i","strategy":"s","preferredHolder":"s"}},
"PodDisruptionBudget": {"spec":{"minAvailable":"*","maxUnavailable":"*","selector":"#selector",
  "unhealthyPodEvictionPolicy":"s"},"status":{"observedGeneration":"i","disruptedPods":{"@map":"s"},
  "disruptionsAllowed":"i","currentHealthy":"i","desiredHealthy":"i","expectedPods":"i","conditions":"#conditions"}},
"Eviction": {"deleteOptions":{"kind":"s","apiVersion":"s","gracePeriodSeconds":"i","orphanDependents":"b",
  "preconditions":{"uid":"s","resourceVersion":"s"},"propagationPolicy":"s","dryRun":["s"]}},
"Role": {"rules":"#rules"},
"ClusterRole": {"rules":"#rules","aggregationRule":{"clusterRoleSelectors":["#selector"]}},
"RoleBinding": {"subjects":"#subjects","roleRef":"#roleRef"},
"ClusterRoleBinding": {"subjects":"#subjects","roleRef":"#roleRef"},
"MutatingWebhookConfiguration": {"webhooks":["#hook"]},
"ValidatingWebhookConfiguration": {"webhooks":["#hook"]},
"CustomResourceDefinition": {"spec":{"group":"s","names":{"plural":"s","singular":"s","shortNames":["s"],"kind":"s",
  "listKind":"s","categories":["s"]},"scope":"s","conversion":"*","preserveUnknownFields":"b",
  "versions":[{"name":"s","served":"b","storage":"b","deprecated":"b","deprecationWarning":"s",
  "schema":{"openAPIV3Schema":"*"},"subresources":{"status":"*","scale":"*"},"selectableFields":[{"jsonPath":"s"}],
  "additionalPrinterColumns":[{"name":"s","type":"s","format":"s","description":"s","priority":"i","jsonPath":"s"}]}]},
  "status":"*"}
})json";

/// Expands shorthand into a structural schema.
Json expand(const Json& shapes, const Json& shape) {
    if (shape.is_string()) {
        const std::string text = shape.get<std::string>();
        if (text.starts_with('#')) return expand(shapes, shapes.at(text.substr(1)));
        if (text == "s") return {{"type", "string"}};
        if (text == "i") return {{"type", "integer"}};
        if (text == "b") return {{"type", "boolean"}};
        return {{"x-kubernetes-preserve-unknown-fields", true}};
    }
    if (shape.is_array()) return {{"type", "array"}, {"items", expand(shapes, shape.at(0))}};
    if (shape.contains("@map")) {
        return {{"type", "object"}, {"additionalProperties", expand(shapes, shape.at("@map"))}};
    }
    Json properties = Json::object();
    for (const auto& [key, member] : shape.items()) properties[key] = expand(shapes, member);
    return {{"type", "object"}, {"properties", std::move(properties)}};
}

}  // namespace

std::shared_ptr<const Json> builtin_schema(const std::string& kind) {
    static const Json kParsed = Json::parse(kShapes);
    const auto found = kParsed.find(kind);
    if (found == kParsed.end()) return nullptr;
    Json schema = expand(kParsed, *found);
    schema["properties"]["apiVersion"] = {{"type", "string"}};
    schema["properties"]["kind"] = {{"type", "string"}};
    schema["properties"]["metadata"] = expand(kParsed, kParsed.at("meta"));
    return std::make_shared<const Json>(std::move(schema));
}

}  // namespace model
