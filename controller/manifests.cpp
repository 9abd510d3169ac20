#include "controller/manifests.hpp"

#include "controller/admission.hpp"
#include "kube/base/base64.hpp"
#include "kube/base/yaml.hpp"

#include <stdexcept>
#include <string_view>

namespace endoscope::controller {

std::string_view embedded_debugrequests_yaml();
std::string_view embedded_debugpolicies_yaml();

namespace {

constexpr int kWebhookTimeoutSeconds = 5;

nlohmann::json webhook(const std::string& name, const std::string& url, std::string_view path,
                       const std::string& ca_pem) {
    nlohmann::json rule = {{"apiGroups", {"endoscope.dev"}},
                           {"apiVersions", {"v1alpha1"}},
                           {"operations", {"CREATE", "UPDATE"}},
                           {"resources", {"debugrequests"}},
                           {"scope", "Namespaced"}};
    return {{"name", name},
            {"admissionReviewVersions", {"v1"}},
            {"clientConfig", {{"url", url + std::string(path)}, {"caBundle", kube::base64_encode(ca_pem)}}},
            {"failurePolicy", "Fail"},
            {"matchPolicy", "Equivalent"},
            {"sideEffects", "None"},
            {"timeoutSeconds", kWebhookTimeoutSeconds},
            {"rules", nlohmann::json::array({std::move(rule)})}};
}

nlohmann::json configuration(const std::string& kind, nlohmann::json hook) {
    return {{"apiVersion", "admissionregistration.k8s.io/v1"},
            {"kind", kind},
            {"metadata", {{"name", kWebhookName}, {"labels", {{"app.kubernetes.io/name", "endoscope"}}}}},
            {"webhooks", nlohmann::json::array({std::move(hook)})}};
}

}  // namespace

std::string embedded_crds_yaml() {
    std::string text(embedded_debugrequests_yaml());
    if (!text.starts_with("---")) text.insert(0, "---\n");
    const std::string_view policies = embedded_debugpolicies_yaml();
    if (!policies.starts_with("---")) text += "---\n";
    return text + std::string(policies);
}

std::vector<nlohmann::json> embedded_crds() {
    auto documents = kube::parse_yaml(embedded_crds_yaml());
    if (!documents) throw std::logic_error("the embedded CRDs are not YAML: " + documents.error().message);
    std::erase_if(*documents, [](const nlohmann::json& document) { return document.is_null(); });
    return std::move(*documents);
}

std::vector<nlohmann::json> webhook_configurations(const std::string& url, const std::string& ca_pem) {
    return {configuration("MutatingWebhookConfiguration",
                          webhook("mutate.debugrequest.endoscope.dev", url, kMutatePath, ca_pem)),
            configuration("ValidatingWebhookConfiguration",
                          webhook("validate.debugrequest.endoscope.dev", url, kValidatePath, ca_pem))};
}

}  // namespace endoscope::controller
