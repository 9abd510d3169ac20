#include "kube/runtime/lease.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LeaseTimes, OnlyTimesUnderWhichOneAndOnlyOneCanLeadAreValid) {
    struct Row {
        LeaseTimes times;
        bool valid;
    };
    const Row rows[] = {
        {{}, true},
        {{seconds(60), seconds(40), seconds(15)}, true},
        {{seconds(1), milliseconds(900), milliseconds(700)}, true},
        {{seconds(10), seconds(10), seconds(2)}, false},
        {{seconds(9), seconds(10), seconds(2)}, false},
        {{seconds(15), milliseconds(2400), seconds(2)}, false},
        {{seconds(15), milliseconds(2401), seconds(2)}, true},
        {{milliseconds(999), milliseconds(500), milliseconds(100)}, false},
        {{seconds(15), seconds(10), seconds(0)}, false},
        {{seconds(15), seconds(10), seconds(-2)}, false},
        {{seconds(3'000'000'000), seconds(10), seconds(2)}, false},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(validate(row.times).has_value(), row.valid)
            << row.times.lease.count() << " " << row.times.renew_deadline.count() << " "
            << row.times.retry_period.count();
    }
}

TEST(LeaseCodec, ReadsWhatIsThere) {
    const auto lease = parse_lease(
        R"({"metadata":{"name":"x","resourceVersion":"42","labels":{"a":"b"}},"spec":{"holderIdentity":"h",)"
        R"("leaseDurationSeconds":15,"acquireTime":"2026-01-02T03:04:05.000001Z","renewTime":"2026-01-02T03:04:06.5Z",)"
        R"("leaseTransitions":3,"strategy":"OldestEmulationVersion"}})");
    ASSERT_TRUE(lease.has_value());
    EXPECT_EQ(lease->resource_version, "42");
    EXPECT_EQ(lease->record, (LeaseRecord{.holder = "h",
                                          .duration_seconds = 15,
                                          .acquire_time = "2026-01-02T03:04:05.000001Z",
                                          .renew_time = "2026-01-02T03:04:06.5Z",
                                          .transitions = 3}));
}

TEST(LeaseCodec, WhatIsMissingIsEmptyAndWhatIsWrongIsMalformed) {
    struct Row {
        std::string spec;  // With the comma before it.
        bool valid;
        LeaseRecord record;
    };
    const Row rows[] = {
        {"", true, {}},
        {R"(,"spec":null)", true, {}},
        {R"(,"spec":{})", true, {}},
        {R"(,"spec":{"holderIdentity":null,"leaseDurationSeconds":null,"renewTime":null})", true, {}},
        {R"(,"spec":{"leaseDurationSeconds":-5,"leaseTransitions":99999999999})",
         true,
         {.holder = {}, .duration_seconds = 0, .acquire_time = {}, .renew_time = {}, .transitions = 2147483647}},
        {R"(,"spec":[])", false, {}},
        {R"(,"spec":{"holderIdentity":1})", false, {}},
        {R"(,"spec":{"leaseDurationSeconds":"15"})", false, {}},
        {R"(,"spec":{"leaseDurationSeconds":1.5})", false, {}},
        {R"(,"spec":{"renewTime":{}})", false, {}},
        {R"(,"spec":{"leaseTransitions":true})", false, {}},
    };
    for (const Row& row : rows) {
        const auto lease = parse_lease(R"({"metadata":{"resourceVersion":"1"})" + row.spec + "}");
        ASSERT_EQ(lease.has_value(), row.valid) << row.spec;
        if (row.valid) EXPECT_EQ(lease->record, row.record) << row.spec;
        if (!row.valid) EXPECT_EQ(lease.error().kind, ErrorKind::malformed) << row.spec;
    }
    for (const char* body : {"", "null", "[]", "{}", R"({"metadata":{"resourceVersion":7}})", "not json"}) {
        EXPECT_FALSE(parse_lease(body).has_value()) << body << ": no version, no lock";
    }
}

TEST(LeaseCodec, ObjectAndPatch) {
    const LeaseRecord record = {
        .holder = "h", .duration_seconds = 15, .acquire_time = "a", .renew_time = "r", .transitions = 3};
    const auto spec = nlohmann::json::parse(
        R"({"holderIdentity":"h","leaseDurationSeconds":15,"acquireTime":"a","renewTime":"r","leaseTransitions":3})");
    const auto object = nlohmann::json::parse(lease_object("ns", "name", record));
    EXPECT_EQ(object["apiVersion"], "coordination.k8s.io/v1");
    EXPECT_EQ(object["kind"], "Lease");
    EXPECT_EQ(object["metadata"], nlohmann::json::parse(R"({"name":"name","namespace":"ns"})"));
    EXPECT_EQ(object["spec"], spec);
    const auto patch = nlohmann::json::parse(lease_patch(record, "42"));
    EXPECT_EQ(patch, (nlohmann::json{{"metadata", {{"resourceVersion", "42"}}}, {"spec", spec}}));
}

}  // namespace
}  // namespace kube
