#include "api/debug_request.hpp"
#include "tests/integration/schema_rows.hpp"

namespace endoscope::test {

using nlohmann::json;
using enum Refused;

namespace {

constexpr const char* kEmptyIsNone = "for the code an empty text is the same as none";
constexpr const char* kGrammar = "the grammar of image references is more than a pattern can say";

json request_for(const json& target) {
    return {{"apiVersion", "endoscope.dev/v1alpha1"},
            {"kind", "DebugRequest"},
            {"metadata", {{"name", "probe"}, {"namespace", "default"}}},
            {"spec",
             {{"reason", "INC-1: a test"},
              {"target", target},
              {"image", "busybox:1.36"},
              {"imagePullPolicy", "Always"},
              {"mode", "Command"},
              {"command", {"sh"}},
              {"args", {"-c"}},
              {"workingDir", "/"},
              {"env", {{{"name", "TERM"}, {"value", "xterm"}}}},
              {"profile", "restricted"},
              {"runAs", {{"user", 1000}, {"group", 1000}}},
              {"containerName", "debug"},
              {"deadlineSeconds", 60},
              {"output", {{"tailLines", 10}}},
              {"onBehalfOf", {{"username", "alice"}}}}}};
}

/// A text for people, on one line. Its length is counted in characters.
SchemaRows line_rows(const std::string& field) {
    return {
        {field, absent(), by_none},
        {field, "", by_none},
        {field, letters(1024), by_none},
        {field, letters(1025), by_both},
        {field, times(1024, "\xc3\xa9"), by_none},
        {field, times(1025, "\xc3\xa9"), by_both},
        {field, times(1024, "\xf0\x9f\x90\x9b"), by_none},
        {field, "Caf\xc3\xa9 \xe2\x80\x93 \xe6\x9d\xb1\xe4\xba\xac", by_none},
        {field, "a\nb", by_both},
        {field, "a\n", by_both},
        {field, "a\rb", by_both},
        {field, "a\tb", by_both},
        {field, "\x1b[31m", by_both},
        {field, std::string("a\0b", 3), by_both},
        {field, "~", by_none},
        {field, "\x7f", by_both},
        {field, "\xc2\x80", by_both},      // U+0080, the first of C1
        {field, "\xc2\x85", by_both},      // U+0085, next line
        {field, "\xc2\x9f", by_both},      // U+009F, the last of C1
        {field, "\xc2\xa0", by_none},      // U+00A0
        {field, "\xe2\x80\xa7", by_none},  // U+2027
        {field, "\xe2\x80\xa8", by_both},  // U+2028, line separator
        {field, "\xe2\x80\xa9", by_both},  // U+2029, paragraph separator
        {field, "\xe2\x80\xaa", by_none},  // U+202A
        {field, 1, by_both},
    };
}

/// The name of a Pod or a workload: a DNS subdomain.
SchemaRows subdomain_rows(const std::string& field) {
    return {{field, "a", by_none},
            {field, "a-1.b-2", by_none},
            {field, letters(253), by_none},
            {field, letters(254), by_both},
            {field, "A", by_both},
            {field, "a..b", by_both},
            {field, ".a", by_both},
            {field, "a.", by_both},
            {field, "a.-b", by_both},
            {field, "a-.b", by_both},
            {field, "a_b", by_both},
            {field, "../a", by_both},
            {field, "a/b", by_both},
            {field, "a\n", by_both},
            {field, "", by_both},
            {field, times(64, "a.") + "a", by_none},
            {field, 1, by_both}};
}

SchemaRows argv_rows(const std::string& field) {
    return {{field, absent(), by_none},
            {field, json::array(), by_none},
            {field, texts(64, "a"), by_none},
            {field, texts(65, "a"), by_both},
            {field, "sh", by_both},
            {field + "/0", "", by_none},
            {field + "/0", letters(4096), by_none},
            {field + "/0", letters(4097), by_both},
            {field + "/0", "$(id) \"'\n\x1b", by_none},
            {field + "/0", std::string("a\0b", 3), by_both},
            {field + "/0", 1, by_both},
            {field + "/0", json::object(), by_both}};
}

SchemaRows target_rows() {
    const json selector = {{"matchLabels", {{"app", "web"}}}};
    const json workload = {{"kind", "Deployment"}, {"name", "web"}};
    SchemaRows rows = {
        {"/target", absent(), by_both},
        {"/target", json::object(), by_both},
        {"/target", "web", by_both},
        {"/target", {{"container", "app"}}, by_both},
        {"/target", {{"podName", "web"}, {"selector", selector}}, by_both},
        {"/target", {{"podName", "web"}, {"workload", workload}}, by_both},
        {"/target", {{"selector", selector}, {"workload", workload}}, by_both},
        {"/target", {{"podName", "web"}, {"selector", selector}, {"workload", workload}}, by_both},
        {"/target", {{"podName", "web"}, {"maxPods", 1}}, by_both},
        {"/target/namespace", "other", by_both},
        {"/target", {{"podName", ""}, {"selector", selector}}, by_schema, kEmptyIsNone},
        {"/target/container", absent(), by_none},
        {"/target/container", "", by_schema, kEmptyIsNone},
    };
    append(rows, subdomain_rows("/target/podName"));
    append(rows, label_rows("/target/container"));
    return rows;
}

SchemaRows image_rows() {
    const std::string digest = times(64, "a");
    SchemaRows rows = {
        {"/image", absent(), by_both},
        {"/image", "", by_both},
        {"/image", 1, by_both},
        {"/image", "busybox", by_none},
        {"/image", "[::1]:5000/busybox:1.36@sha256:" + digest, by_none},
        {"/image", "busybox:" + letters(128), by_none},
        {"/image", letters(1025), by_both},
        {"/image", " busybox", by_both},
        {"/image", "busybox ", by_both},
        {"/image", "busy box", by_both},
        {"/image", "busybox\n", by_both},
        {"/image", "busybox\t", by_both},
        {"/image", "\xd0\xb0/busybox", by_both},
        {"/image",
         "busy\xe2\x80\x8b"
         "box",
         by_both},
        {"/image", "busybox\x7f", by_both},
        {"/image", letters(1024), by_code,
         "the path alone may have 255 characters, but host, tag and digest come on top"},
    };
    for (const std::string& text :
         {std::string("Busybox"), std::string("busybox:"), std::string(":1"), std::string("a//b"), digest,
          std::string("https://a/b"), std::string("a@sha256:abcd"), std::string("a_b.example/c")}) {
        rows.push_back({"/image", text, by_code, kGrammar});
    }
    return rows;
}

SchemaRows env_rows() {
    const auto variable = [](const std::string& name) { return json{{"name", name}, {"value", "x"}}; };
    json many = json::array();
    for (const json& name : texts(64, "A")) many.push_back(variable(name.get<std::string>()));
    json too_many = many;
    too_many.push_back(variable("ONE_MORE"));
    SchemaRows rows = {
        {"/env", absent(), by_none},
        {"/env", json::array(), by_none},
        {"/env", many, by_none},
        {"/env", too_many, by_both},
        {"/env", {variable("A"), variable("B")}, by_none},
        {"/env", {variable("A"), variable("A")}, by_both},
        {"/env", {variable("A"), variable("a")}, by_none},
        {"/env/0", "TERM=xterm", by_both},
        {"/env/0/valueFrom", {{"secretKeyRef", {{"name", "a"}, {"key", "b"}}}}, by_both},
        {"/env/0/value", absent(), by_none},
        {"/env/0/value", "", by_none},
        {"/env/0/value", letters(4096), by_none},
        {"/env/0/value", letters(4097), by_both},
        {"/env/0/value", "a\nb\x1b", by_none},
        {"/env/0/value", std::string("a\0b", 3), by_both},
        {"/env/0/value", 1, by_both},
        {"/env/0/name", absent(), by_both},
        {"/env/0/name", letters(128), by_none},
        {"/env/0/name", letters(129), by_both},
        {"/env/0/name", 1, by_both},
    };
    for (const char* name : {"A", "_", "-", "a.b-c_9", ".a", ".9", ".-", "a..b", "ENDOSCOPE_REQUEST_", "PATH"}) {
        rows.push_back({"/env/0/name", name, by_none});
    }
    for (const char* name :
         {"", ".", "..", "..a", "9", "9A", "A B", "A=", "A$", "A\n", "\xc3\xa9", "ENDOSCOPE_REQUEST"}) {
        rows.push_back({"/env/0/name", name, by_both});
    }
    return rows;
}

SchemaRows run_as_rows() {
    SchemaRows rows = {
        {"/runAs", absent(), by_none},
        {"/runAs", json::object(), by_both},
        {"/runAs", 1000, by_both},
        {"/runAs", {{"user", 0}}, by_none},
        {"/runAs", {{"group", 0}}, by_both},
        {"/runAs", {{"matchTarget", true}}, by_none},
        {"/runAs", {{"matchTarget", false}}, by_both},
        {"/runAs", {{"matchTarget", false}, {"user", 1}}, by_none},
        {"/runAs", {{"matchTarget", true}, {"user", 1}}, by_both},
        {"/runAs", {{"matchTarget", true}, {"group", 1}}, by_both},
        {"/runAs", {{"matchTarget", true}, {"user", 1}, {"group", 1}}, by_both},
        {"/runAs/matchTarget", "false", by_both},
        {"/runAs/supplementalGroups", {1}, by_both},
        {"/runAs/group", absent(), by_none},
        {"/runAs/user", absent(), by_both},
    };
    append(rows, number_rows("/runAs/user", 0, api::bounds::kMaxId));
    append(rows, number_rows("/runAs/group", 0, api::bounds::kMaxId));
    return rows;
}

SchemaRows other_rows() {
    SchemaRows rows = {
        {"/profile", absent(), by_none},
        {"/profile", "", by_both},
        {"/containerName", absent(), by_none},
        {"/containerName", "", by_schema, kEmptyIsNone},
        {"/imagePullPolicy", absent(), by_none},
        {"/imagePullPolicy", "Never", by_both},
        {"/deadlineSeconds", absent(), by_none},
        {"/mode", "Interactive", by_both},  // with the output that the base has
        {"/mode", "Other", by_both},
        {"/mode", "", by_both},
        {"/mode", absent(), by_both},  // Interactive
        {"/output", absent(), by_none},
        {"/output", json::object(), by_none},
        {"/output", 10, by_both},
        {"/output/limitBytes", 10, by_both},
        {"/output/tailLines", absent(), by_none},
        {"/onBehalfOf", absent(), by_none},
        {"/onBehalfOf/username", absent(), by_both},
        {"/onBehalfOf/username", "", by_both},
        {"/onBehalfOf/username", "system:serviceaccount:argocd:argocd-application-controller", by_none},
        {"/onBehalfOf/username", letters(1024), by_none},
        {"/onBehalfOf/username", letters(1025), by_both},
        {"/onBehalfOf/username", "a\nb", by_both},
        {"/onBehalfOf", json::object(), by_both},
        {"/onBehalfOf/uid", "1", by_both},
        {"/requester", {{"username", "root"}}, by_none},  // overwritten at admission
        {"/requester/roles", {"admin"}, by_both},
        {"/securityContext", {{"privileged", true}}, by_both},
        {"/envFrom", json::array(), by_both},
        {"/volumeMounts", json::array(), by_both},
        {"/Image", "busybox", by_both},
    };
    append(rows, line_rows("/reason"));
    append(rows, line_rows("/workingDir"));
    append(rows, word_rows("/imagePullPolicy", {"Always", "IfNotPresent"}));
    append(rows, argv_rows("/command"));
    append(rows, argv_rows("/args"));
    append(rows, label_rows("/profile"));
    append(rows, label_rows("/containerName"));
    append(rows, number_rows("/deadlineSeconds", 1, api::bounds::kMaxDeadlineSeconds));
    append(rows, number_rows("/output/tailLines", 1, api::bounds::kMaxTailLines));
    return rows;
}

SchemaTable by_name() {
    SchemaTable table{.base = request_for({{"podName", "web"}, {"container", "app"}}), .rows = target_rows()};
    append(table.rows, image_rows());
    append(table.rows, env_rows());
    append(table.rows, run_as_rows());
    append(table.rows, other_rows());
    return table;
}

SchemaTable by_selector() {
    const json expression = {{"key", "tier"}, {"operator", "In"}, {"values", {"front"}}};
    const json selector = {{"matchLabels", {{"app", "web"}}}, {"matchExpressions", {expression}}};
    SchemaTable table{.base = request_for({{"selector", selector}, {"maxPods", 2}}),
                      .rows = {{"/target/selector", absent(), by_both},
                               {"/target/selector", json::object(), by_both},
                               {"/target/selector", {{"matchLabels", json::object()}}, by_both},
                               {"/target/selector", {{"matchExpressions", json::array()}}, by_both},
                               {"/target/maxPods", absent(), by_none}}};
    append(table.rows, selector_rows("/target/selector"));
    append(table.rows, number_rows("/target/maxPods", 1, api::bounds::kMaxPods));
    return table;
}

SchemaTable by_workload() {
    SchemaTable table{.base = request_for({{"workload", {{"kind", "Deployment"}, {"name", "web"}}}, {"maxPods", 2}}),
                      .rows = {{"/target/workload", absent(), by_both},
                               {"/target/workload", json::object(), by_both},
                               {"/target/workload/kind", absent(), by_both},
                               {"/target/workload/kind", "CronJob", by_both},
                               {"/target/workload/name", absent(), by_both},
                               {"/target/workload/apiVersion", "apps/v1", by_both}}};
    append(table.rows,
           word_rows("/target/workload/kind", {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}));
    append(table.rows, subdomain_rows("/target/workload/name"));
    return table;
}

}  // namespace

std::vector<SchemaTable> request_tables() {
    return {by_name(), by_selector(), by_workload()};
}

}  // namespace endoscope::test
