#include "controller/seal.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

using nlohmann::json;

SealKey key(std::string id, unsigned char fill) {
    SealKey result{.id = std::move(id)};
    result.bytes.fill(fill);
    return result;
}

json object() {
    return json::parse(R"({"metadata":{"namespace":"production","name":"r","creationTimestamp":"2026-01-01T00:00:30Z"},
        "spec":{"image":"busybox","target":{"podName":"web"},"deadlineSeconds":60,
          "requester":{"username":"alice","groups":["b","a"],"stampedAt":"2026-01-01T00:00:00Z"}}})");
}

SealedObject sealed(const json& whole) {
    return {.kind = "DebugRequest", .namespace_name = "production", .name = "r", .spec = whole["spec"]};
}

json stamped(const SealKey& with) {
    json whole = object();
    whole["spec"]["requester"]["seal"] = *make_seal(with, sealed(whole));
    return whole;
}

IdentityCheck check(const SealKeyRing& ring, const json& whole) {
    return check_identity(ring, "DebugRequest", whole);
}

TEST(Seal, BytesAreThoseDocumented) {
    const json whole = object();
    EXPECT_EQ(
        *sealed_bytes(sealed(whole)),
        R"({"kind":"DebugRequest","name":"r","namespace":"production","requester":{"groups":["b","a"],)"
        R"("stampedAt":"2026-01-01T00:00:00Z","username":"alice"},"spec":{"deadlineSeconds":60,"image":"busybox",)"
        R"("target":{"podName":"web"}},"version":1})");
}

TEST(Seal, TextIsAnHmacOfThem) {
    // HMAC-SHA-256 under 32 bytes of 0x01, computed with Python's hmac over the bytes of the test above.
    EXPECT_EQ(*make_seal(key("k1", 1), sealed(object())), "v1.k1.oeW3gY1YVPYb33oOH0aShN0Wn51SeX7MwdgYg85aaJ4");
}

TEST(Seal, ValidUnderTheCurrentAndAnOldKey) {
    const json whole = stamped(key("k1", 1));
    EXPECT_EQ(check({.current = key("k1", 1)}, whole), IdentityCheck::valid);
    EXPECT_EQ(check({.current = key("k2", 2), .old = {key("k0", 0), key("k1", 1)}}, whole), IdentityCheck::valid);
    EXPECT_EQ(check({.current = key("k2", 2)}, whole), IdentityCheck::invalid);
    EXPECT_EQ(check({.current = key("k1", 2)}, whole), IdentityCheck::invalid);
}

TEST(Seal, AnyChangeBreaksIt) {
    const SealKeyRing ring{.current = key("k1", 1)};
    struct Row {
        const char* pointer;
        const char* value;
    };
    const Row rows[] = {
        {"/metadata/namespace", R"("other")"},
        {"/metadata/name", R"("other")"},
        {"/spec/image", R"("evil")"},
        {"/spec/target/podName", R"("db")"},
        {"/spec/target/container", R"("x")"},
        {"/spec/deadlineSeconds", "61"},
        {"/spec/profile", R"("sysadmin")"},
        {"/spec/unknown", "null"},
        {"/spec/requester/username", R"("admin")"},
        {"/spec/requester/groups", R"(["a","b"])"},
        {"/spec/requester/uid", R"("1")"},
        {"/spec/requester/extra", R"({})"},
        {"/spec/requester/stampedAt", R"("2026-01-01T00:00:01Z")"},
        {"/spec/requester/seal", R"("")"},
        {"/spec/requester/seal", R"("v1.k1.")"},
        {"/spec/requester/seal", R"("v2.k1.x")"},
        {"/spec/requester/seal", R"("v1.k1")"},
        {"/spec/requester/seal", "1"},
        {"/spec/requester/seal", "null"},
        {"/spec/deadlineSeconds", "60.0"},
        {"/spec/requester", R"("alice")"},
        {"/spec/requester", "[]"},
    };
    for (const Row& row : rows) {
        json whole = stamped(ring.current);
        ASSERT_EQ(check(ring, whole), IdentityCheck::valid);
        whole[json::json_pointer(row.pointer)] = json::parse(row.value);
        EXPECT_EQ(check(ring, whole), IdentityCheck::invalid) << row.pointer << " " << row.value;
    }
    EXPECT_EQ(check_identity(ring, "DebugApproval", stamped(ring.current)), IdentityCheck::invalid);
}

TEST(Seal, MissingIsNotInvalid) {
    const SealKeyRing ring{.current = key("k1", 1)};
    EXPECT_EQ(check(ring, object()), IdentityCheck::missing);
    json whole = object();
    whole["spec"]["requester"] = nullptr;
    EXPECT_EQ(check(ring, whole), IdentityCheck::missing);
    whole["spec"].erase("requester");
    EXPECT_EQ(check(ring, whole), IdentityCheck::missing);
    for (const char* text : {"null", "1", "{}", R"({"metadata":{},"spec":1})"}) {
        EXPECT_NE(check(ring, json::parse(text)), IdentityCheck::valid) << text;
    }
}

TEST(Seal, TheStampIsOfTheTimeOfCreation) {
    const SealKeyRing ring{.current = key("k1", 1)};
    struct Row {
        const char* created;
        IdentityCheck expected;
    };
    const Row rows[] = {
        {"2026-01-01T00:00:00Z", IdentityCheck::valid},
        {"2026-01-01T00:01:00Z", IdentityCheck::valid},
        {"2025-12-31T23:59:00Z", IdentityCheck::valid},
        {"2026-01-01T00:01:01Z", IdentityCheck::invalid},
        {"2025-12-31T23:58:59Z", IdentityCheck::invalid},
        {"2027-01-01T00:00:00Z", IdentityCheck::invalid},
        {"yesterday", IdentityCheck::invalid},
    };
    for (const Row& row : rows) {
        json whole = stamped(ring.current);
        whole["metadata"]["creationTimestamp"] = row.created;
        EXPECT_EQ(check(ring, whole), row.expected) << row.created;
    }
    json whole = stamped(ring.current);
    whole["metadata"].erase("creationTimestamp");
    EXPECT_EQ(check(ring, whole), IdentityCheck::invalid);
}

TEST(Seal, WhatHasNoSingleSpellingCannotBeSealed) {
    json whole = object();
    whole["spec"]["deadlineSeconds"] = 0.5;
    EXPECT_FALSE(make_seal(key("k1", 1), sealed(whole)));
    whole = object();
    whole["spec"]["image"] = "\xff";
    EXPECT_FALSE(make_seal(key("k1", 1), sealed(whole)));
    whole["spec"].erase("requester");
    EXPECT_FALSE(make_seal(key("k1", 1), sealed(whole)));
}

}  // namespace
}  // namespace endoscope::controller
