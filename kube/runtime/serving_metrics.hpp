#pragma once

#include "kube/runtime/admission.hpp"
#include "kube/runtime/certificate_files.hpp"
#include "kube/runtime/events.hpp"
#include "kube/runtime/metrics.hpp"
#include "kube/runtime/webhook_configurations.hpp"

#include <memory>
#include <string>
#include <vector>

namespace kube {

/// `controller_runtime_webhook_*` for webhooks at `paths`; every series exists from the start.
std::unique_ptr<WebhookObserver> make_webhook_metrics(const Registry& registry, const std::vector<std::string>& paths);

/// `certwatcher_read_certificate_total` and `certwatcher_read_certificate_errors_total`.
std::unique_ptr<CertificateObserver> make_certificate_metrics(const Registry& registry);

/// `<prefix>_webhook_configuration_weaknesses`, `<prefix>_webhook_ca_bundle_writes_total` and
/// `<prefix>_webhook_certificate_expiration_timestamp_seconds{certificate}` (ca, serving; absent without an authority
/// of our own).
std::unique_ptr<WebhookTrustObserver> make_webhook_trust_metrics(const Registry& registry, const std::string& prefix);

/// `<prefix>_webhook_refused_total{reason}`: callers of the webhooks' port that were turned away, by the words of
/// `HttpServerObserver`.
std::unique_ptr<HttpServerObserver> make_refusal_metrics(const Registry& registry, const std::string& prefix);

/// `event_recorder_dropped_total{reason}`: client-go has no metric for it.
std::unique_ptr<EventObserver> make_event_metrics(const Registry& registry);

}  // namespace kube
