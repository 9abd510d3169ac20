#include "tests/model/protobuf.hpp"

#include "tests/model/encoding.hpp"

#include <map>

namespace model {

namespace {

/// Field tables in JSON: number -> [name, type]. Types: s string, y bytes (base64 in JSON), i integer, b boolean, m a
/// map of strings, n a map of bytes, e a map of string lists, -: skipped; anything else is the table of a message. A
/// trailing
/// "*" means repeated. Numbers are those of the generated.proto files of k8s.io/api.
constexpr const char* kTables = R"json({
"Meta": {"1":["name","s"],"2":["generateName","s"],"3":["namespace","s"],"5":["uid","s"],"6":["resourceVersion","s"],
  "11":["labels","m"],"12":["annotations","m"],"13":["ownerReferences","Owner*"],"14":["finalizers","s*"]},
"Owner": {"1":["kind","s"],"3":["name","s"],"4":["uid","s"],"5":["apiVersion","s"],"6":["controller","b"],
  "7":["blockOwnerDeletion","b"]},
"Namespace": {"1":["metadata","Meta"],"2":["spec","NamespaceSpec"]},
"NamespaceSpec": {"1":["finalizers","s*"]},
"ConfigMap": {"1":["metadata","Meta"],"2":["data","m"],"3":["binaryData","n"],"4":["immutable","b"]},
"Secret": {"1":["metadata","Meta"],"2":["data","n"],"3":["type","s"],"4":["stringData","m"],"5":["immutable","b"]},
"ServiceAccount": {"1":["metadata","Meta"],"3":["imagePullSecrets","LocalReference*"],
  "4":["automountServiceAccountToken","b"]},
"LocalReference": {"1":["name","s"]},
"Role": {"1":["metadata","Meta"],"2":["rules","Rule*"]},
"ClusterRole": {"1":["metadata","Meta"],"2":["rules","Rule*"],"3":["aggregationRule","Aggregation"]},
"Aggregation": {"1":["clusterRoleSelectors","Selector*"]},
"Selector": {"1":["matchLabels","m"],"2":["matchExpressions","Expression*"]},
"Expression": {"1":["key","s"],"2":["operator","s"],"3":["values","s*"]},
"Rule": {"1":["verbs","s*"],"2":["apiGroups","s*"],"3":["resources","s*"],"4":["resourceNames","s*"],
  "5":["nonResourceURLs","s*"]},
"RoleBinding": {"1":["metadata","Meta"],"2":["subjects","Subject*"],"3":["roleRef","RoleRef"]},
"ClusterRoleBinding": {"1":["metadata","Meta"],"2":["subjects","Subject*"],"3":["roleRef","RoleRef"]},
"Subject": {"1":["kind","s"],"2":["apiGroup","s"],"3":["name","s"],"4":["namespace","s"]},
"RoleRef": {"1":["apiGroup","s"],"2":["kind","s"],"3":["name","s"]},
"SelfSubjectReview": {"1":["metadata","Meta"]},
"SelfSubjectAccessReview": {"1":["metadata","Meta"],"2":["spec","SelfAccessSpec"]},
"SelfAccessSpec": {"1":["resourceAttributes","ResourceAttributes"],"2":["nonResourceAttributes","PathAttributes"]},
"ResourceAttributes": {"1":["namespace","s"],"2":["verb","s"],"3":["group","s"],"4":["version","s"],
  "5":["resource","s"],"6":["subresource","s"],"7":["name","s"]},
"PathAttributes": {"1":["path","s"],"2":["verb","s"]},
"SubjectAccessReview": {"1":["metadata","Meta"],"2":["spec","AccessSpec"]},
"LocalSubjectAccessReview": {"1":["metadata","Meta"],"2":["spec","AccessSpec"]},
"AccessSpec": {"1":["resourceAttributes","ResourceAttributes"],"2":["nonResourceAttributes","PathAttributes"],
  "3":["user","s"],"4":["groups","s*"],"5":["extra","e"],"6":["uid","s"]},
"TokenReview": {"1":["metadata","Meta"],"2":["spec","TokenSpec"]},
"TokenSpec": {"1":["token","s"],"2":["audiences","s*"]},
"DeleteOptions": {"1":["gracePeriodSeconds","i"],"2":["preconditions","Preconditions"],"3":["orphanDependents","b"],
  "4":["propagationPolicy","s"],"5":["dryRun","s*"]},
"Preconditions": {"1":["uid","s"],"2":["resourceVersion","s"]},
"Unknown": {"1":["typeMeta","TypeMeta"],"2":["raw","y"],"3":["contentEncoding","s"],"4":["contentType","s"]},
"TypeMeta": {"1":["apiVersion","s"],"2":["kind","s"]},
"StringEntry": {"1":["key","s"],"2":["value","s"]},
"BytesEntry": {"1":["key","s"],"2":["value","y"]},
"ListEntry": {"1":["key","s"],"2":["value","Items"]},
"Items": {"1":["items","s*"]}
})json";

/// Reads one message's fields in order.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    bool done() const { return bytes_.empty(); }
    std::optional<std::uint64_t> varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(bytes_.front());
            bytes_.remove_prefix(1);
            value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
            if ((byte & 0x80U) == 0) return value;
        }
        return std::nullopt;
    }
    std::optional<std::string_view> bytes(std::uint64_t length) {
        if (length > bytes_.size()) return std::nullopt;
        const std::string_view out = bytes_.substr(0, length);
        bytes_.remove_prefix(length);
        return out;
    }

  private:
    std::string_view bytes_;
};

const Json& tables() {
    static const Json kParsed = Json::parse(kTables);
    return kParsed;
}

bool decode_message(const std::string& table, std::string_view bytes, Json& out, int depth);

/// One length-delimited value of `type`.
bool decode_value(const std::string& type, std::string_view bytes, Json& out, int depth) {
    if (type == "s") {
        out = std::string(bytes);
    } else if (type == "y") {
        out = base64_encode(bytes);
    } else {
        return decode_message(type, bytes, out, depth + 1);
    }
    return true;
}

/// One entry of a map field, added to `out`.
bool decode_entry(char type, std::string_view bytes, Json& out, int depth) {
    Json entry;
    const char* table = type == 'm' ? "StringEntry" : type == 'n' ? "BytesEntry" : "ListEntry";
    if (!decode_message(table, bytes, entry, depth + 1)) return false;
    if (!out.is_object()) out = Json::object();
    Json value = entry.contains("value") ? entry["value"] : Json("");
    if (type == 'e') value = value.is_object() && value.contains("items") ? value["items"] : Json::array();
    out[string_at(entry, {"key"})] = std::move(value);
    return true;
}

bool decode_message(const std::string& table, std::string_view bytes, Json& out, int depth) {
    out = Json::object();
    if (depth > 20) return false;
    const Json* fields = find_at(tables(), {table});
    if (fields == nullptr) return false;
    Reader reader(bytes);
    while (!reader.done()) {
        const auto tag = reader.varint();
        if (!tag) return false;
        const unsigned wire = static_cast<unsigned>(*tag & 7U);
        const Json* field = find_at(*fields, {std::to_string(*tag >> 3U)});
        const std::string name = field != nullptr ? (*field)[0].get<std::string>() : "";
        std::string type = field != nullptr ? (*field)[1].get<std::string>() : "-";
        if (wire == 0) {
            const auto value = reader.varint();
            if (!value) return false;
            if (type == "i") out[name] = static_cast<std::int64_t>(*value);
            if (type == "b") out[name] = *value != 0;
            continue;
        }
        if (wire == 1 || wire == 5) {
            if (!reader.bytes(wire == 1 ? 8 : 4)) return false;
            continue;
        }
        const auto length = wire == 2 ? reader.varint() : std::nullopt;
        const auto value = length ? reader.bytes(*length) : std::nullopt;
        if (!value) return false;
        if (type == "-") continue;
        if (type == "m" || type == "n" || type == "e") {
            if (!decode_entry(type.front(), *value, out[name], depth)) return false;
            continue;
        }
        const bool repeated = type.ends_with('*');
        if (repeated) type.pop_back();
        Json decoded;
        if (!decode_value(type, *value, decoded, depth)) return false;
        if (repeated) {
            if (!out[name].is_array()) out[name] = Json::array();
            out[name].push_back(std::move(decoded));
        } else if (decoded != Json("")) {
            out[name] = std::move(decoded);  // generated code always writes empty strings
        }
    }
    return true;
}

}  // namespace

Outcome<Json> decode_protobuf(std::string_view body) {
    constexpr std::string_view kMagic("k8s\0", 4);
    Json envelope;
    if (!body.starts_with(kMagic) || !decode_message("Unknown", body.substr(kMagic.size()), envelope, 0)) {
        return std::unexpected(bad_request("provided data does not appear to be a protobuf message"));
    }
    const std::string kind = string_at(envelope, {"typeMeta", "kind"});
    const auto raw = base64_decode(string_at(envelope, {"raw"}));
    Json object;
    if (find_at(tables(), {kind}) == nullptr) {
        return std::unexpected(unsupported_media_type("the model API server does not decode protobuf of kind " +
                                                      quote(kind) + ": send JSON (kubectl apply -f does)"));
    }
    if (!raw || !decode_message(kind, *raw, object, 0)) {
        return std::unexpected(bad_request("provided data does not appear to be a protobuf message of kind " + kind));
    }
    object["kind"] = kind;
    object["apiVersion"] = string_at(envelope, {"typeMeta", "apiVersion"});
    return object;
}

}  // namespace model
