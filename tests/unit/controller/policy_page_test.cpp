// docs/policy.md is what people copy from: its policies must be in force, and its tables complete.

#include "api/reason.hpp"
#include "controller/policy.hpp"
#include "kube/base/yaml.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <set>

namespace endoscope::controller {
namespace {

using nlohmann::json;

std::string read(const std::string& file) {
    std::ifstream stream(std::string(ENDOSCOPE_SOURCE_DIR) + "/" + file);
    EXPECT_TRUE(stream) << file;
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

/// The objects of all ```yaml blocks.
std::vector<json> objects_of(const std::string& page) {
    std::vector<json> objects;
    constexpr std::string_view kFence = "```yaml\n";
    for (std::size_t at = page.find(kFence); at != std::string::npos; at = page.find(kFence, at)) {
        at += kFence.size();
        const auto parsed = kube::parse_yaml(page.substr(at, page.find("```", at) - at));
        EXPECT_TRUE(parsed) << page.substr(at, 60);
        if (parsed) objects.insert(objects.end(), parsed->begin(), parsed->end());
    }
    return objects;
}

std::string section(const std::string& page, const std::string& heading) {
    const std::size_t begin = page.find("\n## " + heading + "\n");
    EXPECT_NE(begin, std::string::npos) << heading;
    return page.substr(begin, page.find("\n## ", begin + 1) - begin);
}

TEST(PolicyPage, ItsTenPoliciesAreInForce) {
    std::set<std::string> names;
    for (const json& object : objects_of(read("docs/policy.md"))) {
        if (object["kind"] != "DebugPolicy") continue;
        const auto policy = CompiledPolicy::from_json(object);
        EXPECT_FALSE(policy->error()) << policy->name() << ": " << policy->error()->text();
        names.insert(policy->name());
    }
    EXPECT_EQ(names.size(), 10U);
}

TEST(PolicyPage, NamesEveryReasonOfTheVerdictInOrder) {
    const std::string table = section(read("docs/policy.md"), "The order of the rules");
    std::size_t last = 0;
    for (int i = 0; i <= static_cast<int>(api::Reason::approval_timed_out); ++i) {
        const std::string word = "`" + std::string(to_string(static_cast<api::Reason>(i))) + "`";
        const std::size_t found = table.find(word);
        ASSERT_NE(found, std::string::npos) << word;
        EXPECT_GT(found, last) << word;
        last = found;
    }
}

TEST(PolicyPage, NamesEveryFieldOfTheSchema) {
    const auto crd = kube::parse_yaml(read("manifests/crds/endoscope.dev_debugpolicies.yaml"));
    ASSERT_TRUE(crd);
    const std::string table = section(read("docs/policy.md"), "Fields");
    const json& spec = crd->front()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    for (const auto& [name, schema] : spec["properties"].items()) {
        if (!schema.contains("properties")) {
            EXPECT_NE(table.find("`" + name + "`"), std::string::npos) << name;
            continue;
        }
        for (const auto& [inner, ignored] : schema["properties"].items()) {
            const bool is_there = table.contains("`" + name + "." + inner + "`") || table.contains("`" + inner + "`");
            EXPECT_TRUE(is_there) << name << "." << inner;
        }
    }
}

}  // namespace
}  // namespace endoscope::controller
