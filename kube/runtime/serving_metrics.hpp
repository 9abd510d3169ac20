#pragma once

#include "kube/runtime/admission.hpp"
#include "kube/runtime/certificate_files.hpp"
#include "kube/runtime/events.hpp"
#include "kube/runtime/metrics.hpp"

#include <memory>
#include <string>
#include <vector>

namespace kube {

/// `controller_runtime_webhook_*` for webhooks at `paths`; every series exists from the start.
std::unique_ptr<WebhookObserver> make_webhook_metrics(const Registry& registry, const std::vector<std::string>& paths);

/// `certwatcher_read_certificate_total` and `certwatcher_read_certificate_errors_total`.
std::unique_ptr<CertificateObserver> make_certificate_metrics(const Registry& registry);

/// `event_recorder_dropped_total{reason}`: client-go has no metric for it.
std::unique_ptr<EventObserver> make_event_metrics(const Registry& registry);

}  // namespace kube
