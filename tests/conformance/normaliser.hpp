#pragma once

#include <nlohmann/json.hpp>

#include <map>
#include <string>

namespace endoscope::conformance {

using nlohmann::json;

/// Makes the answers of two control planes comparable: what cannot be equal (uids, resourceVersions, times of today,
/// ports, keys, tokens) becomes a symbol that names the step in which it was seen first, so that equal values stay
/// equal and different ones different. The causes of an invalid custom resource come in any order, as Go walks
/// its maps, so they are sorted. metadata.managedFields is dropped, and so is the resourceVersion of lists and
/// bookmarks: a real API server's moves with every other write.
class Normaliser {
  public:
    json operator()(const std::string& step, const json& value) {
        step_ = step;
        return normalise(value, "");
    }

  private:
    json normalise(const json& value, const std::string& key);
    json normalise_object(const json& value);
    static void sort_causes(json& status);
    std::string normalise_text(const std::string& text, const std::string& key);
    std::string symbol(const std::string& kind, const std::string& value);

    std::string step_;
    std::map<std::string, std::map<std::string, std::string>> symbols_;  ///< By kind and value.
    std::map<std::string, int> used_;
};

}  // namespace endoscope::conformance
