#pragma once

#include "controller/stored_request.hpp"
#include "kube/base/clock.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace endoscope::controller {

/// One line of the audit log: what a security team keeps. Users and images appear here and never in metric labels.
struct AuditRecord {
    std::string event;    ///< admitted, verdict, injected, started, ended, expired, tampered, removed
    std::string request;  ///< "namespace/name"
    std::string request_uid;
    std::string requester;
    std::vector<std::string> groups;
    std::string on_behalf_of;
    std::string pod;
    std::string container;
    std::string image;
    std::string policy;
    std::string phase;
    std::string reason;
    std::string message;
};

/// A record about that request: who asked for what.
AuditRecord audit_record(std::string event, const StoredRequest& stored);

/// Writes audit records, one JSON object a line, to a sink (stdout in production).
class AuditLog {
  public:
    using Sink = std::function<void(std::string_view line)>;
    AuditLog(kube::Clock& clock, Sink sink);
    void write(const AuditRecord& record);

  private:
    kube::Clock& clock_;
    Sink sink_;
};

/// The line without its newline: keys in the documented order, empty ones left out, user text escaped.
std::string render_audit(const AuditRecord& record, kube::WallTime now);

}  // namespace endoscope::controller
