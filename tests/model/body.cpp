#include "tests/model/body.hpp"

#include "tests/model/protobuf.hpp"

namespace model {

std::string media_type(const std::string& header) {
    std::string type = header.substr(0, header.find(';'));
    std::erase(type, ' ');
    return type;
}

Outcome<Json> decode_body(const std::string& content_type, const std::string& body) {
    const std::string type = media_type(content_type);
    if (type == "application/vnd.kubernetes.protobuf") return decode_protobuf(body);
    if (!type.empty() && type != "application/json") {
        return std::unexpected(unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: application/json, "
            "application/vnd.kubernetes.protobuf (this is a model API server, it does not read " +
            type + ")"));
    }
    auto parsed = kube::parse_json(body);
    if (!parsed) return std::unexpected(bad_request(parsed.error().message));
    return std::move(*parsed);
}

}  // namespace model
