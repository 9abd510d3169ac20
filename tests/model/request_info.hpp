#pragma once

#include "kube/net/http.hpp"
#include "tests/model/resource.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace model {

/// Decoded query parameters in order; the first of a name counts.
class QueryParams {
  public:
    explicit QueryParams(std::string_view query = {});
    std::string get(std::string_view name) const;  ///< "" when absent.
    bool has(std::string_view name) const;
    std::vector<std::string> all(std::string_view name) const;

  private:
    std::vector<std::pair<std::string, std::string>> items_;
};

/// "true" and "1" as Go reads them.
bool truthy(std::string_view text);
std::string percent_decode(std::string_view text, bool plus_is_space);

/// What a request is about, read from method and path.
struct RequestInfo {
    std::string path;
    bool is_resource = false;  ///< A path below a served group and version that names a resource.
    std::string verb;          ///< get, list, watch, create, update, patch, delete, deletecollection; else the method.
    std::string group;
    std::string version;
    std::string resource;
    std::string subresource;
    std::string ns;
    std::string name;
};

RequestInfo parse_request(const std::string& method, const std::string& path, const QueryParams& query);

/// How the answer is to be rendered, from the Accept header.
enum class Rendering { object, table, metadata, unacceptable };
Rendering rendering_of(std::string_view accept);

}  // namespace model
