#include "tests/model/request_info.hpp"

#include <algorithm>

namespace model {

std::string percent_decode(std::string_view text, bool plus_is_space) {
    const auto digit = [](char c) -> int {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
            out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
            i += 2;
        } else {
            out += plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

QueryParams::QueryParams(std::string_view query) {
    for (const std::string& item : split(query, '&')) {
        if (item.empty()) continue;
        const std::size_t equal = item.find('=');
        items_.emplace_back(percent_decode(item.substr(0, equal), true),
                            equal == std::string::npos ? "" : percent_decode(item.substr(equal + 1), true));
    }
}

std::string QueryParams::get(std::string_view name) const {
    const auto found = std::ranges::find(items_, name, &std::pair<std::string, std::string>::first);
    return found == items_.end() ? "" : found->second;
}

bool QueryParams::has(std::string_view name) const {
    return std::ranges::find(items_, name, &std::pair<std::string, std::string>::first) != items_.end();
}

std::vector<std::string> QueryParams::all(std::string_view name) const {
    std::vector<std::string> out;
    for (const auto& [key, value] : items_) {
        if (key == name) out.push_back(value);
    }
    return out;
}

bool truthy(std::string_view text) {
    return text == "true" || text == "1" || text == "True" || text == "TRUE";
}

RequestInfo parse_request(const std::string& method, const std::string& path, const QueryParams& query) {
    RequestInfo info;
    info.path = path;
    info.verb = method;
    std::ranges::transform(info.verb, info.verb.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::vector<std::string> parts;
    for (const std::string& part : split(path, '/')) {
        if (!part.empty()) parts.push_back(percent_decode(part, false));
    }
    std::size_t at = 0;
    if (!parts.empty() && parts[0] == "api" && parts.size() > 2) {
        info.version = parts[1];
        at = 2;
    } else if (!parts.empty() && parts[0] == "apis" && parts.size() > 3) {
        info.group = parts[1];
        info.version = parts[2];
        at = 3;
    } else {
        return info;
    }
    info.is_resource = true;
    // /namespaces/{ns}, /namespaces/{ns}/status and /namespaces/{ns}/finalize are about the namespace itself.
    const bool scoped = parts[at] == "namespaces" && parts.size() > at + 1;
    if (scoped && parts.size() > at + 2 && parts[at + 2] != "status" && parts[at + 2] != "finalize") {
        info.ns = parts[at + 1];
        at += 2;
    } else if (scoped) {
        info.ns = parts[at + 1];
    }
    info.resource = parts[at];
    if (parts.size() > at + 1) info.name = parts[at + 1];
    for (std::size_t i = at + 2; i < parts.size(); ++i) {
        info.subresource += (info.subresource.empty() ? "" : "/") + parts[i];
    }
    if (method == "GET" || method == "HEAD") {
        info.verb = !info.name.empty() ? "get" : truthy(query.get("watch")) ? "watch" : "list";
    } else if (method == "POST") {
        info.verb = "create";
    } else if (method == "PUT") {
        info.verb = "update";
    } else if (method == "PATCH") {
        info.verb = "patch";
    } else if (method == "DELETE") {
        info.verb = info.name.empty() ? "deletecollection" : "delete";
    }
    return info;
}

Rendering rendering_of(std::string_view accept) {
    if (accept.empty()) return Rendering::object;
    for (const std::string& item : split(accept, ',')) {
        const std::vector<std::string> parts = split(item, ';');
        std::string type = parts.front();
        std::erase(type, ' ');
        if (type != "application/json" && type != "*/*" && type != "application/*") continue;
        std::string as;
        std::string group;
        std::string version;
        for (std::size_t i = 1; i < parts.size(); ++i) {
            std::string part = parts[i];
            std::erase(part, ' ');
            if (part.starts_with("as=")) as = part.substr(3);
            if (part.starts_with("g=")) group = part.substr(2);
            if (part.starts_with("v=")) version = part.substr(2);
        }
        if (as.empty()) return Rendering::object;
        if (group != "meta.k8s.io" || version != "v1") continue;
        if (as == "Table") return Rendering::table;
        if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") return Rendering::metadata;
    }
    return Rendering::unacceptable;
}

}  // namespace model
