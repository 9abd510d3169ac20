#pragma once

#include "tests/model/api_error.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace model {

/// A printer column, built in or from a CRD's additionalPrinterColumns.
struct Column {
    std::string name;
    std::string type = "string";
    std::string json_path;
    std::string format;
    std::string description;
    int priority = 0;
};

/// One served resource in one version.
struct ResourceInfo {
    std::string group;
    std::string version;
    std::string resource;  ///< plural, e.g. "pods"
    std::string singular;
    std::string kind;
    std::string list_kind;
    std::vector<std::string> short_names;
    std::vector<std::string> categories;
    bool namespaced = true;
    std::string storage;                         ///< The table of `Storage` that holds it.
    std::vector<std::string> verbs;              ///< As in discovery.
    std::vector<std::string> subresources;       ///< "status", "ephemeralcontainers", ...
    std::vector<std::string> selectable_fields;  ///< Besides metadata.name and metadata.namespace.
    /// Structural schema: for built-in types what the model knows of them, for custom ones the CRD's.
    std::shared_ptr<const Json> schema;
    std::vector<Column> columns;  ///< Custom resources only.
    bool custom = false;

    bool has_subresource(std::string_view name) const { return contains(subresources, name); }
    std::string api_version() const { return group.empty() ? version : group + "/" + version; }
};
using ResourcePtr = std::shared_ptr<const ResourceInfo>;

/// Everything that is served, in discovery order.
class Registry {
  public:
    Registry();

    ResourcePtr find(const std::string& group, const std::string& version, const std::string& resource) const;
    const std::vector<ResourcePtr>& all() const { return resources_; }
    bool serves_group(const std::string& group) const;
    bool serves(const std::string& group, const std::string& version) const;
    /// Groups without the core one, each with its versions.
    std::vector<std::pair<std::string, std::vector<std::string>>> groups() const;
    /// Replaces what a CRD contributes; an absent CRD is an empty list.
    void set_custom(const std::string& crd_name, std::vector<ResourcePtr> resources);

  private:
    void rebuild();

    std::vector<ResourcePtr> builtin_;
    std::map<std::string, std::vector<ResourcePtr>> custom_;
    std::vector<ResourcePtr> resources_;
};

/// The resources that an established CRD defines, one per served version.
std::vector<ResourcePtr> resources_of_crd(const Json& crd);

}  // namespace model
