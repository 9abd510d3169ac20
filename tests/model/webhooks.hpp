#pragma once

#include "tests/model/rbac.hpp"
#include "tests/model/resource.hpp"

#include <string>
#include <vector>

/// The decisions around admission webhooks, without the calls themselves (webhook_caller.hpp).
namespace model {

/// What is being admitted, as AdmissionReview.request describes it.
struct AdmissionAttributes {
    ResourcePtr info;
    std::string subresource;
    std::string ns;
    std::string name;
    std::string operation;  ///< CREATE, UPDATE or DELETE.
    UserInfo user;
    bool dry_run = false;
    Json options = Json::object();
    Json object;      ///< Null for DELETE.
    Json old_object;  ///< Null for CREATE.
};

struct Webhook {
    std::string name;
    std::string url;
    std::string ca_pem;
    std::string problem;  ///< Why it cannot be called at all, e.g. a service reference.
    bool fail_closed = true;
    bool dry_run_safe = true;
    int timeout_seconds = 10;
};

/// The webhooks that want to see `attributes`, configurations in name order.
std::vector<Webhook> select_webhooks(const Storage& storage, bool mutating, const AdmissionAttributes& attributes);

Json admission_review(const AdmissionAttributes& attributes, const std::string& uid);

/// A webhook's verdict. `call_error` set: the answer was unusable, and the failure policy decides.
struct WebhookAnswer {
    bool allowed = false;
    std::optional<ApiError> denial;
    Json patch;  ///< A JSON patch, or null.
    std::vector<std::string> warnings;
    std::string call_error;
};

WebhookAnswer read_answer(const Webhook& webhook, bool mutating, const std::string& uid, int status,
                          const std::string& body);

/// The error that blocks a request when a fail-closed webhook could not be asked.
ApiError failed_calling(const Webhook& webhook, const std::string& why);

}  // namespace model
