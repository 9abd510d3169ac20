#pragma once

#include "api/debug_request.hpp"
#include "cmd/kubectl-endoscope/documents.hpp"
#include "controller/pod_view.hpp"
#include "controller/policy.hpp"

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace endoscope::cli {

/// A request to judge, or why it cannot be read.
struct RequestToJudge {
    std::string namespace_name;
    std::string name;
    std::expected<api::DebugRequest, api::FieldError> request;
};

/// What the files say about a cluster.
struct ClusterFiles {
    std::vector<RequestToJudge> to_judge;   ///< DebugRequests without a status.phase.
    std::vector<api::DebugRequest> active;  ///< DebugRequests whose phase holds a place.
    std::map<std::pair<std::string, std::string>, controller::PodView> pods;  ///< By namespace and name.
    std::map<std::string, api::Labels> namespaces;
    std::vector<std::shared_ptr<const controller::CompiledPolicy>> policies;
    std::vector<std::string> errors;  ///< What cannot be read; one line each, with file, document and field.
    std::vector<std::string>
        invalid_policies;            ///< Those that can be read and are invalid; a line each, as in `errors`.
    std::vector<std::string> notes;  ///< What was left out.
};

/// Sorts the documents. An object that cannot be read is reported in `errors` and counts against the requests, never
/// for them: its policy allows nothing, its Pod is absent.
ClusterFiles sort_documents(std::vector<Document> documents);

}  // namespace endoscope::cli
