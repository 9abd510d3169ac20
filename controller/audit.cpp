#include "controller/audit.hpp"

#include "kube/base/log.hpp"

#include <utility>

namespace endoscope::controller {

AuditRecord audit_record(std::string event, const StoredRequest& stored) {
    AuditRecord record;
    record.event = std::move(event);
    record.request = stored.key();
    record.request_uid = stored.uid;
    if (!stored.parsed) return record;
    const api::DebugRequestSpec& spec = stored.parsed->spec;
    if (spec.requester) {
        record.requester = spec.requester->username;
        record.groups = spec.requester->groups;
    }
    record.on_behalf_of = spec.on_behalf_of_username.value_or("");
    record.pod = spec.target.pod_name;
    record.image = spec.image;
    return record;
}

std::string render_audit(const AuditRecord& record, kube::WallTime now) {
    std::string line = R"({"time":")" + kube::format_micro_time(now) + R"(","logger":"audit")";
    const auto add = [&line](std::string_view key, const std::string& value) {
        if (value.empty()) return;
        line.append(",\"").append(key).append("\":\"").append(kube::log::escape(value)).append("\"");
    };
    add("event", record.event);
    add("request", record.request);
    add("requestUID", record.request_uid);
    add("requester", record.requester);
    if (!record.groups.empty()) {
        line += ",\"groups\":[";
        for (std::size_t i = 0; i < record.groups.size(); ++i) {
            line += i == 0 ? "\"" : ",\"";
            line += kube::log::escape(record.groups[i]) + "\"";
        }
        line += "]";
    }
    add("onBehalfOf", record.on_behalf_of);
    add("pod", record.pod);
    add("container", record.container);
    add("image", record.image);
    add("policy", record.policy);
    add("phase", record.phase);
    add("reason", record.reason);
    add("message", record.message);
    return line + "}";
}

AuditLog::AuditLog(kube::Clock& clock, Sink sink) : clock_(clock), sink_(std::move(sink)) {}

void AuditLog::write(const AuditRecord& record) {
    sink_(render_audit(record, clock_.now()));
}

}  // namespace endoscope::controller
