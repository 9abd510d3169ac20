#include "api/debug_request.hpp"
#include "tests/integration/schema_rows.hpp"

namespace endoscope::test {

using nlohmann::json;
using enum Refused;

namespace {

constexpr const char* kSmall = "a bound on the size; the code takes any number";
constexpr const char* kPattern = "the grammar of image patterns is more than a pattern can say";
constexpr const char* kExpression = "no rule of the schema can tell whether an expression is one";
constexpr const char* kNothing = "a policy that selects no namespace is of no use, and does no harm";

json valid_policy() {
    const json expression = {{"key", "tier"}, {"operator", "In"}, {"values", {"front"}}};
    const json selector = {{"matchLabels", {{"app", "web"}}}, {"matchExpressions", {expression}}};
    return {{"apiVersion", "endoscope.dev/v1alpha1"},
            {"kind", "DebugPolicy"},
            {"metadata", {{"name", "probe"}}},
            {"spec",
             {{"namespaces", {{"names", {"prod-*"}}, {"selector", selector}}},
              {"authorization", "PodPermission"},
              {"requesters", {{"allowServiceAccounts", false}, {"serviceAccounts", {"argocd/controller"}}}},
              {"images", {{"allow", {"ghcr.io/acme/**"}}, {"deny", {"**:latest"}}, {"requireDigest", false}}},
              {"profiles", {"restricted", "perf"}},
              {"customProfiles",
               {{{"name", "perf"},
                 {"securityContext",
                  {{"privileged", false},
                   {"allowPrivilegeEscalation", true},
                   {"readOnlyRootFilesystem", true},
                   {"runAsNonRoot", true},
                   {"runAsUser", 1000},
                   {"runAsGroup", 1000},
                   {"capabilities", {{"add", {"PERFMON"}}, {"drop", {"ALL"}}}},
                   {"seccompProfile", {{"type", "RuntimeDefault"}}},
                   {"appArmorProfile", {{"type", "RuntimeDefault"}}},
                   {"seLinuxOptions", {{"user", "u"}, {"role", "r"}, {"type", "t"}, {"level", "s0"}}},
                   {"procMount", "Default"}}}}}},
              {"runAs", {{"allowMatchTarget", true}, {"minUser", 1}, {"defaultUser", 65532}}},
              {"env", {{"allowedNames", {"TERM"}}}},
              {"commands", json::array({json::array({"curl", "-s"})})},
              {"targets",
               {{"podSelector", selector},
                {"containers", {"app"}},
                {"allowHostPID", false},
                {"allowHostNetwork", false},
                {"allowHostIPC", false},
                {"allowPrivileged", false},
                {"allowServiceAccounts", {"*"}}}},
              {"reason", {{"required", true}, {"pattern", "^INC-"}}},
              {"approval", {{"required", 1}, {"timeoutSeconds", 900}}},
              {"limits",
               {{"maxDeadlineSeconds", 14400},
                {"defaultDeadlineSeconds", 3600},
                {"startDeadlineSeconds", 120},
                {"maxPerPod", 5},
                {"exclusive", false},
                {"maxActivePerNamespace", 20},
                {"maxActivePerRequester", 5},
                {"maxPods", 5}}},
              {"onExpiry", "Report"},
              {"afterSession", "Keep"}}}};
}

/// A list of texts in general.
SchemaRows list_rows(const std::string& field, std::size_t most) {
    return {{field, absent(), by_none},
            {field, json::array(), by_none},
            {field, texts(most, "a"), by_none},
            {field, texts(most + 1, "a"), by_schema, kSmall},
            {field, "a", by_both},
            {field + "/0", 1, by_both},
            {field + "/0", json::object(), by_both}};
}

SchemaRows each(const std::string& field, const std::vector<std::string>& values, Refused refused,
                const std::string& why = {}) {
    SchemaRows rows;
    for (const std::string& value : values) rows.push_back({field, value, refused, why});
    return rows;
}

SchemaRows who_and_where_rows() {
    SchemaRows rows = {
        {"", json::object(), by_schema, kNothing},  {"/namespaces", absent(), by_schema, kNothing},
        {"/namespaces", json::object(), by_none},   {"/namespaces", {"prod"}, by_both},
        {"/namespaces/exclude", {"prod"}, by_both}, {"/namespaces/selector", json::object(), by_none},
        {"/authorization", absent(), by_none},      {"/requesters", absent(), by_none},
        {"/requesters", json::object(), by_none},   {"/requesters", true, by_both},
        {"/requesters/users", {"alice"}, by_both},  {"/Profiles", {"sysadmin"}, by_both},
    };
    append(rows, list_rows("/namespaces/names", 256));
    append(rows, each("/namespaces/names/0", {"a", "a-1", letters(63), "*", "prod-*", "*-eu", "-*", letters(252) + "*"},
                      by_none));
    append(rows, each("/namespaces/names/0",
                      {"", letters(64), "A", "a.b", "a_b", "-a", "a-", "a b", "a\n", "A*", "a.*", "a*\n", "a?", "[a]*",
                       letters(253) + "*"},
                      by_both));
    append(rows, selector_rows("/namespaces/selector"));
    append(rows, word_rows("/authorization", {"PodPermission", "UsePolicy"}));
    append(rows, boolean_rows("/requesters/allowServiceAccounts"));
    rows.push_back({"/requesters/serviceAccounts", absent(), by_none});
    rows.push_back({"/requesters/serviceAccounts", texts(256, "a/b"), by_none});
    rows.push_back({"/requesters/serviceAccounts", texts(257, "a/b"), by_schema, kSmall});
    rows.push_back({"/requesters/serviceAccounts", "a/b", by_both});
    append(rows, each("/requesters/serviceAccounts/0",
                      {"a/b", letters(63) + "/a", "a/b.c-d", "a/" + letters(253), letters(63) + "/" + letters(253)},
                      by_none));
    append(rows, each("/requesters/serviceAccounts/0",
                      {"", "a", "a/", "/a", "a/b/c", "A/b", "a/B", "a.b/c", "a/*", "*/*", "-a/b", "a/b-", "a/b..c",
                       "a/b\n", letters(64) + "/a", "a/" + letters(254), "system:serviceaccount:a:b"},
                      by_both));
    return rows;
}

SchemaRows image_rows() {
    SchemaRows rows = {{"/images", absent(), by_none},
                       {"/images", json::object(), by_none},
                       {"/images", {"busybox"}, by_both},
                       {"/images/warn", {"busybox"}, by_both}};
    append(rows, boolean_rows("/images/requireDigest"));
    for (const std::string list : {"/images/allow", "/images/deny"}) {
        append(rows, list_rows(list, 512));
        append(rows, each(list + "/0",
                          {"**", "**:latest", "busybox", "*:1.*", "ghcr.io/acme/**", "ghcr.io/*/debug",
                           "a@sha256:" + times(64, "a"), "[::1]:5000/a", "a:" + letters(128)},
                          by_none));
        append(rows, each(list + "/0", {"", "busy box", " busybox", "busybox ", "busybox\n", "\xc3\xa9/a"}, by_both));
        append(rows, each(list + "/0", {"**/a", "*.io/a", "a:", "A/b", "a//b", "a/***", "https://a/b", "a@sha256:abcd"},
                          by_code, kPattern));
        rows.push_back({list + "/0", letters(1025), by_both});
    }
    return rows;
}

SchemaRows container_rows() {
    SchemaRows rows = {
        {"/profiles", absent(), by_none},
        {"/profiles", json::array(), by_none},
        {"/profiles", {"restricted", "baseline", "general", "netadmin", "sysadmin", "perf"}, by_none},
        {"/profiles", {"restricted", "restricted"}, by_schema, "named twice is allowed all the same"},
        {"/profiles", {"legacy"}, by_both},
        {"/profiles", {"restricted", "unknown"}, by_both},
        {"/profiles", {""}, by_both},
        {"/profiles", {"Restricted"}, by_both},
        {"/profiles", {1}, by_both},
        {"/profiles", "restricted", by_both},
        {"/runAs", absent(), by_none},
        {"/runAs", json::object(), by_none},
        {"/runAs", 1000, by_both},
        {"/runAs/maxUser", 1, by_both},
        {"/runAs/minUser", absent(), by_none},
        {"/runAs/defaultUser", absent(), by_none},
        {"/env", absent(), by_none},
        {"/env", json::object(), by_none},
        {"/env", {"TERM"}, by_both},
        {"/env/denied", {"PATH"}, by_both},
        {"/commands", absent(), by_none},
        {"/commands", json::array(), by_none},
        {"/commands", json::array({json::array()}), by_both},
        {"/commands", json::array({json::array({"ls"}), json::array()}), by_both},
        {"/commands", json::array_t(64, json::array({"ls"})), by_none},
        {"/commands", json::array_t(65, json::array({"ls"})), by_schema, kSmall},
        {"/commands", {"ls"}, by_both},
        {"/commands/0", "ls", by_both},
        {"/commands/0", {1}, by_both},
        {"/commands/0", {""}, by_none},
        {"/commands/0", texts(32, "a"), by_none},
        {"/commands/0", texts(33, "a"), by_schema, kSmall},
        {"/commands/0/0", letters(4096), by_none},
        {"/commands/0/0", letters(4097), by_schema, "no request has such an argument"},
    };
    append(rows, boolean_rows("/runAs/allowMatchTarget"));
    append(rows, number_rows("/runAs/minUser", 0, api::bounds::kMaxId));
    append(rows, number_rows("/runAs/defaultUser", 1, api::bounds::kMaxId));
    append(rows, list_rows("/env/allowedNames", 128));
    append(rows, each("/env/allowedNames/0", {"A", "_", "a.b-c_9", ".a", "*", "LC_*", "*_PROXY", "9*", letters(128)},
                      by_none));
    append(rows, each("/env/allowedNames/0", {"", ".", "..", "..a", "9", "A B", "A=", "A\n", "A*\n", "A?", "\xc3\xa9*"},
                      by_both));
    rows.push_back({"/env/allowedNames/0", letters(129), by_schema, "no request has such a variable"});
    return rows;
}

SchemaRows target_rows() {
    SchemaRows rows = {{"/targets", absent(), by_none},
                       {"/targets", json::object(), by_none},
                       {"/targets", true, by_both},
                       {"/targets/allowWindows", true, by_both},
                       {"/targets/podSelector", absent(), by_none},
                       {"/targets/podSelector", json::object(), by_none}};
    append(rows, selector_rows("/targets/podSelector"));
    append(rows, list_rows("/targets/containers", 64));
    append(rows, each("/targets/containers/0", {"a", "app-1", letters(63), "*", "app-*", letters(62) + "*"}, by_none));
    append(rows, each("/targets/containers/0",
                      {"", letters(64), "A", "a.b", "-a", "a-", "a b", "a\n", "a.*", "A*", "a*\n"}, by_both));
    rows.push_back({"/targets/containers/0", letters(63) + "*", by_schema, "it could match nothing"});
    append(rows, list_rows("/targets/allowServiceAccounts", 128));
    append(rows, each("/targets/allowServiceAccounts/0", {"a", "a.b", letters(253), "*", "web-*", "web.*"}, by_none));
    append(rows, each("/targets/allowServiceAccounts/0",
                      {"", letters(254), "A", "a..b", "-a", "a.", "a/b", "a/*", "a\n", "A*"}, by_both));
    for (const char* name : {"allowHostPID", "allowHostNetwork", "allowHostIPC", "allowPrivileged"}) {
        append(rows, boolean_rows(std::string("/targets/") + name));
    }
    return rows;
}

SchemaRows reason_and_number_rows() {
    SchemaRows rows = {
        {"/reason", absent(), by_none},
        {"/reason", json::object(), by_none},
        {"/reason", "INC", by_both},
        {"/reason/message", "INC", by_both},
        {"/reason/pattern", absent(), by_none},
        {"/reason/pattern", "", by_none},
        {"/reason/pattern", letters(512), by_none},
        {"/reason/pattern", letters(513), by_both},
        {"/reason/pattern", 1, by_both},
        {"/reason/pattern", "(", by_code, kExpression},
        {"/reason/pattern", "(a)\\1", by_code, kExpression},
        {"/reason/pattern", "a{1001}", by_code, kExpression},
        {"/approval", absent(), by_none},
        {"/approval", json::object(), by_none},
        {"/approval", true, by_both},
        {"/approval/approvers", {"alice"}, by_both},
        {"/approval/required", absent(), by_none},
        {"/approval/timeoutSeconds", absent(), by_none},
        {"/limits", absent(), by_none},
        {"/limits", json::object(), by_none},
        {"/limits", 5, by_both},
        {"/limits/maxPerNode", 5, by_both},
        {"/limits", {{"maxDeadlineSeconds", 60}, {"defaultDeadlineSeconds", 3600}}, by_none},  // the ceiling holds
        {"/onExpiry", absent(), by_none},
        {"/onExpiry", "Report", by_none},
        {"/onExpiry", "Kill", by_both},
        {"/onExpiry", "", by_both},
        {"/afterSession", absent(), by_none},
        {"/afterSession", "Keep", by_none},
        {"/afterSession", "Delete", by_both},
        {"/afterSession", "", by_both},
    };
    append(rows, boolean_rows("/reason/required"));
    append(rows, boolean_rows("/limits/exclusive"));
    append(rows, number_rows("/approval/required", 0, 5));
    append(rows, number_rows("/approval/timeoutSeconds", 1, 604800));
    const std::vector<std::pair<const char*, std::int64_t>> limits = {
        {"maxDeadlineSeconds", api::bounds::kMaxDeadlineSeconds},
        {"defaultDeadlineSeconds", api::bounds::kMaxDeadlineSeconds},
        {"startDeadlineSeconds", 86400},
        {"maxPerPod", 100},
        {"maxActivePerNamespace", 10000},
        {"maxActivePerRequester", 10000},
        {"maxPods", api::bounds::kMaxPods},
    };
    for (const auto& [name, most] : limits) {
        rows.push_back({std::string("/limits/") + name, absent(), by_none});
        append(rows, number_rows(std::string("/limits/") + name, 1, most));
    }
    return rows;
}

SchemaRows custom_profile_rows() {
    const std::string first = "/customProfiles/0";
    const std::string context = first + "/securityContext";
    SchemaRows rows = {
        {"/customProfiles", "perf", by_both},
        {first, json::object(), by_both},
        {first + "/image", "busybox", by_both},
        {first + "/name", absent(), by_both},
        {first + "/name", "", by_both},
        {first + "/name", "sysadmin", by_both},
        {first + "/name", "restricted", by_both},
        {context, absent(), by_none},
        {context, json::object(), by_none},
        {context, "privileged", by_both},
        {context + "/windowsOptions", {{"hostProcess", true}}, by_both},
        {context, {{"privileged", true}, {"allowPrivilegeEscalation", false}}, by_both},
        {context, {{"privileged", true}, {"allowPrivilegeEscalation", true}}, by_none},
        {context, {{"runAsNonRoot", true}, {"runAsUser", 0}}, by_both},
        {context, {{"runAsNonRoot", false}, {"runAsUser", 0}}, by_none},
        {context, {{"runAsGroup", 1}}, by_both},
        {context, {{"runAsUser", 1}, {"runAsGroup", 1}}, by_none},
        {context + "/capabilities", absent(), by_none},
        {context + "/capabilities", {"ALL"}, by_both},
        {context + "/capabilities/keep", {"ALL"}, by_both},
        {context + "/seccompProfile", absent(), by_none},
        {context + "/seccompProfile", json::object(), by_both},
        {context + "/seccompProfile", "RuntimeDefault", by_both},
        {context + "/seccompProfile", {{"type", "Localhost"}, {"localhostProfile", "/etc/a.json"}}, by_both},
        {context + "/seccompProfile", {{"type", "Localhost"}, {"localhostProfile", "../a.json"}}, by_both},
        {context + "/seccompProfile", {{"type", "Localhost"}, {"localhostProfile", "a/../../b.json"}}, by_both},
        {context + "/seccompProfile", {{"type", "Localhost"}, {"localhostProfile", "a..b/c.json"}}, by_none},
        {context + "/appArmorProfile", {{"type", "Localhost"}, {"localhostProfile", "/usr/bin/a"}}, by_none},
        {context + "/seLinuxOptions", absent(), by_none},
        {context + "/seLinuxOptions", json::object(), by_none},
        {context + "/seLinuxOptions/range", "s0", by_both},
    };
    for (const char* part : {"/seccompProfile", "/appArmorProfile"}) {
        const std::string at = context + part;
        append(rows, word_rows(at + "/type", {"RuntimeDefault", "Unconfined"}));
        append(rows, {{at, {{"type", "Localhost"}, {"localhostProfile", "a"}}, by_none},
                      {at, {{"type", "Localhost"}}, by_both},
                      {at, {{"type", "Localhost"}, {"localhostProfile", ""}}, by_both},
                      {at, {{"type", "RuntimeDefault"}, {"localhostProfile", "a"}}, by_both},
                      {at, {{"type", "Unconfined"}, {"localhostProfile", "a"}}, by_both},
                      {at + "/path", "a", by_both},
                      {at, {{"type", "Localhost"}, {"localhostProfile", 1}}, by_both}});
    }
    for (const char* part : {"/capabilities/add", "/capabilities/drop"}) {
        const std::string at = context + part;
        rows.push_back({at, texts(64, "A"), by_none});
        rows.push_back({at, texts(65, "A"), by_schema, kSmall});
        rows.push_back({at, "ALL", by_both});
        append(rows, each(at + "/0", {"ALL", "NET_ADMIN", "SYS_PTRACE"}, by_none));
        append(rows, each(at + "/0", {"", "net_admin", "CAP_SYS_ADMIN", "NET ADMIN", "NET-ADMIN", "ALL\n"}, by_both));
    }
    for (const char* part : {"/user", "/role", "/type", "/level"}) {
        const std::string at = context + "/seLinuxOptions" + part;
        rows.push_back({at, absent(), by_none});
        rows.push_back({at, 1, by_both});
        rows.push_back({at, letters(256), by_none});
        rows.push_back({at, letters(257), by_schema, kSmall});
    }
    for (const char* part : {"/privileged", "/allowPrivilegeEscalation", "/readOnlyRootFilesystem", "/runAsNonRoot"}) {
        rows.push_back({context + part, absent(), by_none});
        rows.push_back({context + part, "true", by_both});
    }
    rows.push_back({context + "/procMount", absent(), by_none});
    rows.push_back({context + "/procMount", "", by_schema, "for the code an empty text is the same as none"});
    rows.push_back({context + "/procMount", 1, by_both});
    append(rows, each(context + "/procMount", {"Default", "Unmasked"}, by_none));
    append(rows, each(context + "/procMount", {"default", "Masked", "Default "}, by_both));
    append(rows, label_rows(first + "/name"));
    append(rows, number_rows(context + "/runAsGroup", 0, api::bounds::kMaxId));
    append(rows, number_rows(context + "/runAsUser", 1, api::bounds::kMaxId));
    return rows;
}

/// Lists of profiles.
SchemaRows custom_profile_list_rows() {
    const auto profiles = [](const std::vector<std::string>& names) {
        json list = json::array();
        for (const std::string& name : names) list.push_back({{"name", name}});
        return list;
    };
    const json many = texts(17, "p");
    const auto names = many.get<std::vector<std::string>>();
    return {{"/customProfiles", absent(), by_none},
            {"/customProfiles", json::array(), by_none},
            {"/customProfiles", profiles({"a", "b"}), by_none},
            {"/customProfiles", profiles({"a", "a"}), by_both},
            {"/customProfiles", profiles({names.begin(), names.end() - 1}), by_none},
            {"/customProfiles", profiles(names), by_schema, kSmall}};
}

}  // namespace

std::vector<SchemaTable> policy_tables() {
    SchemaTable table{.base = valid_policy(), .rows = who_and_where_rows()};
    append(table.rows, image_rows());
    append(table.rows, container_rows());
    append(table.rows, target_rows());
    append(table.rows, reason_and_number_rows());
    // Profiles of its own, without a list that must name them.
    SchemaTable custom{.base = valid_policy(), .rows = custom_profile_rows()};
    custom.base["spec"]["profiles"] = {"restricted"};
    append(custom.rows, custom_profile_list_rows());
    return {std::move(table), std::move(custom)};
}

}  // namespace endoscope::test
