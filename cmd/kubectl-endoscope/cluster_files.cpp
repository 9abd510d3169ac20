#include "cmd/kubectl-endoscope/cluster_files.hpp"

#include "api/debug_policy.hpp"
#include "api/json_reader.hpp"
#include "api/text.hpp"

#include <string_view>

namespace endoscope::cli {
namespace {

using nlohmann::json;

std::string text_at(const json& object, const char* key) {
    if (!object.is_object()) return {};
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

class Sorter final {
  public:
    ClusterFiles take() { return std::move(files_); }

    void add(Document& document) {
        place_ = document.place;
        json& object = document.value;
        if (!object.is_object()) return error({"(root)", "must be an object"});
        const std::string kind = text_at(object, "kind");
        const std::string version = text_at(object, "apiVersion");
        const bool ours = kind == "DebugRequest" || kind == "DebugPolicy";
        const bool core = kind == "Pod" || kind == "Namespace";
        if (kind.empty()) return error({"kind", "is required"});
        if (ours && version != api::kApiVersion)
            return error({"apiVersion", "must be " + std::string(api::kApiVersion)});
        if (core && version != "v1") return error({"apiVersion", "must be v1"});
        if (!ours && !core) {
            files_.notes.push_back(place_ + ": " + api::printable(kind) + " plays no part in a verdict");
            return;
        }
        if (!object["metadata"].is_object()) return error({"metadata", "is required"});
        json& metadata = object["metadata"];
        // The webhook gives a request with generateName its name; offline the beginning has to do.
        if (text_at(metadata, "name").empty()) metadata["name"] = text_at(metadata, "generateName");
        if (text_at(metadata, "name").empty()) return error({"metadata.name", "is required"});
        const bool namespaced = kind == "Pod" || kind == "DebugRequest";
        if (namespaced && text_at(metadata, "namespace").empty()) metadata["namespace"] = "default";

        if (kind == "Pod") return add_pod(object);
        if (kind == "Namespace") return add_namespace(object);
        if (kind == "DebugPolicy") return add_policy(object);
        add_request(object);
    }

  private:
    void error(const api::FieldError& error) { files_.errors.push_back(place_ + ": " + error.text()); }

    void add_pod(const json& object) {
        auto pod = controller::parse_pod(object);
        if (!pod) return error(pod.error());
        auto key = std::pair(pod->namespace_name, pod->name);
        if (!files_.pods.emplace(std::move(key), *std::move(pod)).second) error({"metadata.name", "is there twice"});
    }

    void add_namespace(const json& object) {
        std::optional<api::FieldError> problem;
        api::JsonReader metadata = api::JsonReader(&object, "", problem).object("metadata");
        const std::string name = metadata.text("name");
        api::Labels labels = metadata.text_map("labels");
        if (problem) return error(*problem);
        if (!files_.namespaces.emplace(name, std::move(labels)).second) error({"metadata.name", "is there twice"});
    }

    void add_policy(const json& object) {
        auto compiled = controller::CompiledPolicy::from_json(object);
        if (auto policy = api::parse_debug_policy(object); !policy) {
            error(policy.error());
        } else if (compiled->error()) {
            files_.invalid_policies.push_back(place_ + ": " + compiled->error()->text());
        }
        for (const auto& other : files_.policies) {
            if (other->name() == compiled->name()) error({"metadata.name", "is there twice"});
        }
        files_.policies.push_back(std::move(compiled));
    }

    void add_request(const json& object) {
        auto request = api::parse_debug_request(object);
        const auto status = object.find("status");
        const std::string phase = status == object.end() ? std::string() : text_at(*status, "phase");
        if (!request) error(request.error());
        if (phase.empty()) {
            files_.to_judge.push_back(
                {text_at(object["metadata"], "namespace"), text_at(object["metadata"], "name"), std::move(request)});
        } else if (request && !request->status.phase) {
            error({"status.phase", "is no phase of a DebugRequest"});
        } else if (request && api::holds_a_place(*request->status.phase)) {
            files_.active.push_back(*std::move(request));
        }
    }

    ClusterFiles files_;
    std::string place_;
};

}  // namespace

ClusterFiles sort_documents(std::vector<Document> documents) {
    Sorter sorter;
    for (Document& document : documents) sorter.add(document);
    return sorter.take();
}

}  // namespace endoscope::cli
