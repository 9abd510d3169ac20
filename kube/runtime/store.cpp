#include "kube/runtime/store.hpp"

#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

namespace kube {

std::string object_key(const nlohmann::json& object) {
    const std::string ns = string_at(object, {"metadata", "namespace"});
    const std::string name = string_at(object, {"metadata", "name"});
    return ns.empty() ? name : ns + "/" + name;
}

}  // namespace kube
