#include "tests/model/patch.hpp"

namespace model {

Json merge_patch(const Json& target, const Json& patch) {
    if (!patch.is_object()) return patch;
    Json out = target.is_object() ? target : Json::object();
    for (const auto& [key, value] : patch.items()) {
        if (value.is_null()) {
            out.erase(key);
        } else {
            const auto found = out.find(key);
            out[key] = merge_patch(found == out.end() ? Json() : *found, value);
        }
    }
    return out;
}

namespace {

constexpr std::size_t kMaxOperations = 10000;

/// Upstream does not say which operation failed, nor why.
ApiError cannot_apply() {
    return {422, "Invalid", "the server rejected our request due to an error in our request", Json::object(),
            std::nullopt};
}

}  // namespace

Outcome<Json> json_patch(const Json& target, const Json& patch) {
    if (!patch.is_array()) {
        return std::unexpected(bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"));
    }
    if (patch.size() > kMaxOperations) {
        return std::unexpected(
            ApiError{413, "RequestEntityTooLarge",
                     "The allowed maximum operations in a JSON patch is 10000, got " + std::to_string(patch.size()),
                     nullptr, std::nullopt});
    }
    // evanphx/json-patch allows removing an absent member of the document only by option; so does nlohmann (throws).
    try {
        return target.patch(patch);
    } catch (const Json::exception&) {
        return std::unexpected(cannot_apply());
    }
}

}  // namespace model
