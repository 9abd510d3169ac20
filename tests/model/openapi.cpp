#include "tests/model/discovery.hpp"

#include <map>

namespace model {

namespace {

std::string group_path(const ResourceInfo& info) {
    return info.group.empty() ? "api/" + info.version : "apis/" + info.group + "/" + info.version;
}

std::string item_path(const ResourceInfo& info) {
    return "/" + group_path(info) + (info.namespaced ? "/namespaces/{namespace}/" : "/") + info.resource + "/{name}";
}

Json query_parameter(const char* name, const char* description) {
    return {{"name", name},
            {"in", "query"},
            {"description", description},
            {"schema", {{"type", "string"}, {"uniqueItems", true}}}};
}

/// The component name upstream would derive: reversed group, version, kind.
std::string component_name(const ResourceInfo& info) {
    std::vector<std::string> parts = split(info.group.empty() ? "core.api.k8s.io" : info.group, '.');
    std::string out;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) out += *part + ".";
    return out + info.version + "." + info.kind;
}

Json gvk(const ResourceInfo& info) {
    return {{"group", info.group}, {"version", info.version}, {"kind", info.kind}};
}

Json document(const Registry& registry, const std::string& group_version) {
    Json paths = Json::object();
    Json schemas = Json::object();
    for (const ResourcePtr& info : registry.all()) {
        if (group_path(*info) != group_version) continue;
        Json parameters = Json::array();
        parameters.push_back(query_parameter("dryRun", "All: nothing is persisted"));
        parameters.push_back(query_parameter("fieldManager", "who writes"));
        parameters.push_back(query_parameter("fieldValidation", "Ignore, Warn or Strict"));
        const std::string reference = "#/components/schemas/" + component_name(*info);
        Json responses;
        responses["200"] = {{"description", "OK"},
                            {"content", {{"application/json", {{"schema", {{"$ref", reference}}}}}}}};
        Json item = Json::object();
        for (const char* method : {"get", "put", "patch", "delete"}) {
            // What a real server lists there decides how kubectl builds its patches; without a strategic merge body
            // it falls back to the types that it has built in.
            item[method] = {{"x-kubernetes-group-version-kind", gvk(*info)},
                            {"x-kubernetes-action", method},
                            {"responses", responses}};
        }
        item["put"]["parameters"] = parameters;
        item["patch"]["parameters"] = parameters;
        paths[item_path(*info)] = std::move(item);
        Json schema = info->schema ? *info->schema : Json{{"type", "object"}};
        schema["properties"]["apiVersion"] = {{"type", "string"}};
        schema["properties"]["kind"] = {{"type", "string"}};
        if (info->custom) schema["properties"]["metadata"] = {{"type", "object"}};
        schema["x-kubernetes-group-version-kind"] = Json::array();
        schema["x-kubernetes-group-version-kind"].push_back(gvk(*info));
        schemas[component_name(*info)] = std::move(schema);
    }
    return {{"openapi", "3.0.0"},
            {"info", {{"title", "Endoscope's model API server"}, {"version", kGitVersion}}},
            {"paths", std::move(paths)},
            {"components", {{"schemas", std::move(schemas)}}}};
}

/// Just enough protobuf: length-delimited fields and booleans.
class Message {
  public:
    Message& field(unsigned number, const std::string& bytes) {
        varint((number << 3U) | 2U);
        varint(bytes.size());
        bytes_ += bytes;
        return *this;
    }
    const std::string& bytes() const { return bytes_; }

  private:
    void varint(std::size_t value) {
        while (value >= 0x80) {
            bytes_ += static_cast<char>((value & 0x7fU) | 0x80U);
            value >>= 7U;
        }
        bytes_ += static_cast<char>(value);
    }
    std::string bytes_;
};

}  // namespace

std::optional<Json> openapi_v3(const Registry& registry, const std::string& path) {
    const std::string root = "/openapi/v3";
    if (path == root) {
        Json paths = Json::object();
        for (const ResourcePtr& info : registry.all()) {
            paths[group_path(*info)] = {{"serverRelativeURL", root + "/" + group_path(*info)}};
        }
        return Json{{"paths", std::move(paths)}};
    }
    if (!path.starts_with(root + "/")) return std::nullopt;
    const std::string group_version = path.substr(root.size() + 1);
    Json out = document(registry, group_version);
    if (out["paths"].empty()) return std::nullopt;
    return out;
}

std::string openapi_v2_protobuf(const Registry& registry) {
    // Field numbers of gnostic's openapi_v2: Document{swagger=1, info=2, paths=8}, Paths{path=2}, NamedPathItem{name=1,
    // value=2}, PathItem{patch=8}, Operation{parameters=8, vendor_extension=13}, ParametersItem{parameter=1},
    // Parameter{non_body=2}, NonBodyParameter{query=3}, QueryParameterSubSchema{in=2, name=4}, NamedAny{name=1,
    // value=2}, Any{yaml=2}.
    Message info;
    info.field(1, "Endoscope's model API server").field(2, kGitVersion);
    Message paths;
    for (const ResourcePtr& resource : registry.all()) {
        Message operation;
        for (const char* name : {"dryRun", "fieldManager", "fieldValidation"}) {
            const std::string query = Message().field(2, "query").field(4, name).bytes();
            const std::string non_body = Message().field(3, query).bytes();
            const std::string parameter = Message().field(2, non_body).bytes();
            operation.field(8, Message().field(1, parameter).bytes());
        }
        const std::string yaml =
            "group: \"" + resource->group + "\"\nkind: " + resource->kind + "\nversion: " + resource->version + "\n";
        operation.field(
            13,
            Message().field(1, "x-kubernetes-group-version-kind").field(2, Message().field(2, yaml).bytes()).bytes());
        const std::string item = Message().field(8, operation.bytes()).bytes();
        paths.field(2, Message().field(1, item_path(*resource)).field(2, item).bytes());
    }
    return Message().field(1, "2.0").field(2, info.bytes()).field(8, paths.bytes()).bytes();
}

}  // namespace model
