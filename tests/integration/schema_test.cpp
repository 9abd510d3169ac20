// The schema of the CRDs and the code give the same answer to the same object, with no webhook in between: so that most
// mistakes are refused at `kubectl apply` while the operator is away, and nothing gets through where the schema is not
// there.
#include "api/debug_request.hpp"
#include "controller/image_reference.hpp"
#include "controller/manifests.hpp"
#include "controller/policy.hpp"
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"
#include "tests/integration/schema_rows.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

namespace endoscope::test {
namespace {

using Judge = std::optional<api::FieldError> (*)(const json&);

std::optional<api::FieldError> judge_request(const json& object) {
    const auto request = api::parse_debug_request(object);
    if (!request) return request.error();
    if (const auto errors = api::validate(*request); !errors.empty()) return errors.front();
    const auto image = controller::parse_image_reference(request->spec.image);
    if (!image) return api::FieldError{"spec.image", image.error()};
    return std::nullopt;
}

std::optional<api::FieldError> judge_policy(const json& object) {
    const auto policy = controller::CompiledPolicy::from_json(object);
    return policy->error();
}

json changed(json object, const SchemaRow& row) {
    const json::json_pointer at("/spec" + row.field);
    if (row.value.is_discarded()) {
        object.at(at.parent_pointer()).erase(at.back());
    } else {
        object[at] = row.value;
    }
    return object;
}

/// For messages of a test that fails.
std::string text_of(const SchemaRow& row) {
    const std::string value = row.value.is_discarded() ? "absent" : kube::dump_json(row.value);
    return row.field + " = " + (value.size() > 120 ? value.substr(0, 120) + "..." : value);
}

/// Whether the API server's message names that field: by its path, or, where a rule stands on the object around it, by
/// that object's path and its own name.
bool names(const std::string& message, const std::string& field) {
    const std::size_t dot = field.rfind('.');
    const std::string name = field.substr(dot + 1);
    return message.contains(field) ||
           (message.contains(field.substr(0, dot)) && message.contains(name.substr(0, name.find('['))));
}

class Schema : public testing::Test {
  protected:
    static void SetUpTestSuite();
    void compare(const std::vector<SchemaTable>& tables, const std::string& path, Judge judge);

    static User& admin() { return ControlPlane::get().admin(); }
    static kube::Result<json> rehearse(const std::string& path, const json& object) {
        return admin().request("POST", path + "?dryRun=All&fieldValidation=Strict", object);
    }
};

/// The CRDs and nothing else of Endoscope.
void Schema::SetUpTestSuite() {
    EndoscopeTest::end_operator();  // another suite's, with its webhooks
    for (const json& crd : controller::embedded_crds()) {
        const auto created = admin().request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd);
        EXPECT_TRUE(created || created.error().kind == kube::ErrorKind::already_exists) << created.error().message;
    }
}

void Schema::compare(const std::vector<SchemaTable>& tables, const std::string& path, Judge judge) {
    for (const SchemaTable& table : tables) {
        std::string problem;
        ASSERT_TRUE(eventually([&] {
            const auto rehearsed = rehearse(path, table.base);
            problem = rehearsed ? "" : rehearsed.error().message;
            return rehearsed.has_value();
        })) << problem;
        EXPECT_FALSE(judge(table.base)) << judge(table.base)->text();
        for (const SchemaRow& row : table.rows) {
            SCOPED_TRACE(text_of(row));
            const json object = changed(table.base, row);
            const auto by_schema = rehearse(path, object);
            const auto by_code = judge(object);
            EXPECT_EQ(!by_schema, row.refused == Refused::by_both || row.refused == Refused::by_schema)
                << (by_schema ? "the schema accepts it" : by_schema.error().message);
            EXPECT_EQ(by_code.has_value(), row.refused == Refused::by_both || row.refused == Refused::by_code)
                << (by_code ? by_code->text() : "the code accepts it");
            EXPECT_EQ(row.why.empty(), row.refused == Refused::by_both || row.refused == Refused::by_none);
            // What the schema lets through comes to the code with its defaults.
            if (by_schema) EXPECT_EQ(judge(*by_schema).has_value(), by_code.has_value());
            if (by_schema || !by_code) continue;
            const int status = by_schema.error().http_status;
            EXPECT_TRUE(status == 422 || status == 400) << status;
            EXPECT_TRUE(names(by_schema.error().message, by_code->field))
                << by_code->field << ": " << by_schema.error().message;
        }
    }
}

TEST_F(Schema, AndCodeSayTheSameOfDebugRequests) {
    compare(request_tables(), "/apis/endoscope.dev/v1alpha1/namespaces/default/debugrequests", judge_request);
}

TEST_F(Schema, AndCodeSayTheSameOfDebugPolicies) {
    compare(policy_tables(), "/apis/endoscope.dev/v1alpha1/debugpolicies", judge_policy);
}

/// Calls `visit` with every schema below this one and its pointer into an object, items as 0.
void walk(const json& schema, const std::string& at,
          const std::function<void(const std::string&, const json&)>& visit) {
    visit(at, schema);
    if (const auto found = schema.find("properties"); found != schema.end()) {
        for (const auto& [name, child] : found->items()) walk(child, at + "/" + name, visit);
    }
    if (const auto found = schema.find("items"); found != schema.end()) walk(*found, at + "/0", visit);
}

/// The pointers of all that is in a value.
void add_leaves(const std::string& at, const json& value, std::set<std::string>& pointers) {
    if (!value.is_structured()) return;
    const json flat = value.flatten();
    for (const auto& [pointer, leaf] : flat.items()) pointers.insert(at + pointer);
}

TEST_F(Schema, EveryFieldHasRowsAndEveryRuleAMessage) {
    for (const json& crd : controller::embedded_crds()) {
        const bool is_request = crd["spec"]["names"]["kind"] == "DebugRequest";
        std::set<std::string> refused;
        std::set<std::string> accepted;
        for (const SchemaTable& table : is_request ? request_tables() : policy_tables()) {
            add_leaves("", table.base["spec"], accepted);
            for (const SchemaRow& row : table.rows) {
                if (row.refused == Refused::by_both) refused.insert(row.field);
                if (row.refused != Refused::by_none) continue;
                accepted.insert(row.field);
                add_leaves(row.field, row.value, accepted);
            }
        }
        const json& spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        walk(spec, "", [&](const std::string& at, const json& schema) {
            for (const json& rule : schema.value("x-kubernetes-validations", json::array())) {
                EXPECT_FALSE(rule.value("message", "").empty()) << at << ": " << rule;
            }
            const bool is_leaf = !schema.contains("properties") && !schema.contains("items");
            // Written at admission, over whatever an author sends.
            if (!is_leaf || at.starts_with("/requester")) return;
            const auto begins = [&](const std::string& field) { return field == at || field.starts_with(at + "/"); };
            EXPECT_TRUE(std::ranges::any_of(accepted, begins)) << crd["metadata"]["name"] << at << " is in no base";
            EXPECT_TRUE(std::ranges::any_of(refused, begins) || refused.contains(at.substr(0, at.rfind('/'))))
                << crd["metadata"]["name"] << at << " has no row that is refused";
        });
    }
}

}  // namespace
}  // namespace endoscope::test
