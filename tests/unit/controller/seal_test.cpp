#include "controller/seal.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

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
    EXPECT_EQ(check({.current = key("k2", 2), .others = {key("k0", 0), key("k1", 1)}}, whole), IdentityCheck::valid);
    EXPECT_EQ(check({.current = key("k2", 2)}, whole), IdentityCheck::unknown_key);
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

TEST(Seal, AKeyThatIsNotThereIsToldFromAForgery) {
    const SealKeyRing ring{.current = key("k1", 1)};
    const std::string digest(43, 'A');
    struct Row {
        std::string seal;
        IdentityCheck expected;
    };
    const Row rows[] = {
        {"v1.k2." + digest, IdentityCheck::unknown_key},
        {"v1." + std::string(32, 'k') + "." + digest, IdentityCheck::unknown_key},
        {"v1.k1." + digest, IdentityCheck::invalid},
        {"v1.k2." + digest + "A", IdentityCheck::invalid},
        {"v1.k2.", IdentityCheck::invalid},
        {"v1.." + digest, IdentityCheck::invalid},
        {"v1.k 2." + digest, IdentityCheck::invalid},
        {"v1." + std::string(33, 'k') + "." + digest, IdentityCheck::invalid},
        {"v2.k2." + digest, IdentityCheck::invalid},
    };
    for (const Row& row : rows) {
        json whole = object();
        whole["spec"]["requester"]["seal"] = row.seal;
        EXPECT_EQ(check(ring, whole), row.expected) << row.seal;
    }
    // Where there are no keys, none is known: least of all one without a name, whose bytes are zeros.
    EXPECT_EQ(check({}, stamped(key("k1", 1))), IdentityCheck::unknown_key);
    EXPECT_EQ(check({}, stamped(key("", 0))), IdentityCheck::invalid);
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

/// Every place in a document that can be changed: a pointer to each member and element, the outermost first.
std::vector<json::json_pointer> places(const json& value, const json::json_pointer& at) {
    std::vector<json::json_pointer> all;
    for (const auto& [name, member] : value.items()) {
        const json::json_pointer here = value.is_array() ? at / std::stoul(name) : at / name;
        all.push_back(here);
        if (!member.is_structured()) continue;
        for (auto& inner : places(member, here)) all.push_back(std::move(inner));
    }
    return all;
}

json full_object() {
    json whole = json::parse(R"({"metadata":{"namespace":"production","name":"r",
        "creationTimestamp":"2026-01-01T00:00:30Z"},
        "spec":{"reason":"INC-1: \"quotes\" and \u00fc\ud83d\ude00","image":"busybox:1",
          "target":{"podName":"web","container":"app"},"mode":"Command","command":["sh","-c","echo \u2028"],"args":[],
          "env":[{"name":"TERM","value":"x"},{"name":"LANG"}],"profile":"restricted","runAs":{"user":0,"group":-1},
          "deadlineSeconds":9223372036854775807,"output":{"tailLines":50},"onBehalfOf":{"username":"bob"},
          "requester":{"username":"alice","uid":"7","groups":["a","b"],"extra":{"k":["v","w"],"":[]},
            "stampedAt":"2026-01-01T00:00:00Z"}}})");
    whole["spec"]["requester"]["seal"] = *make_seal(key("k1", 1), sealed(whole));
    return whole;
}

TEST(Seal, EveryChangeOfASpecBreaksItWhereverItIs) {
    const SealKeyRing ring{.current = key("k1", 1)};
    const json whole = full_object();
    ASSERT_EQ(check(ring, whole), IdentityCheck::valid);
    const auto all = places(whole["spec"], json::json_pointer("/spec"));
    ASSERT_GT(all.size(), 30U);
    const auto breaks = [&](const json& changed, const std::string& how) {
        if (changed == whole) return;
        EXPECT_NE(check(ring, changed), IdentityCheck::valid) << how;
    };
    const json others[] = {nullptr, "", "other", 0, 61, false, json::array(), json::object()};
    for (const auto& at : all) {
        const std::string where = at.to_string();
        for (const json& other : others) {
            json changed = whole;
            changed[at] = other;
            // 0.0 and 0 are the same to ==, so the text decides whether anything was changed.
            if (changed.dump() != whole.dump()) breaks(changed, where + " = " + other.dump());
        }
        json removed = whole;
        json& parent = removed[at.parent_pointer()];
        if (parent.is_array()) {
            parent.erase(std::stoul(at.back()));
        } else {
            parent.erase(at.back());
        }
        breaks(removed, where + " removed");
        if (!whole[at].is_structured()) continue;
        json added = whole;
        if (added[at].is_array()) {
            added[at].push_back("more");
        } else {
            added[at]["more"] = 1;
        }
        breaks(added, where + " with one more");
        if (!whole[at].is_array() || whole[at].size() < 2) continue;
        json turned = whole;
        std::ranges::reverse(turned[at]);
        breaks(turned, where + " in another order");
    }
    // Every character of the seal counts.
    const std::string seal = whole["spec"]["requester"]["seal"];
    for (std::size_t i = 0; i < seal.size(); ++i) {
        json changed = whole;
        changed["spec"]["requester"]["seal"].get_ref<std::string&>()[i] ^= 1;
        breaks(changed, "seal, character " + std::to_string(i));
    }
}

TEST(Seal, EveryBitOfTheKeyCounts) {
    const json whole = full_object();
    for (std::size_t byte = 0; byte < 32; ++byte) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            SealKeyRing ring{.current = key("k1", 1)};
            ring.current.bytes.at(byte) ^= static_cast<unsigned char>(1U << bit);
            EXPECT_EQ(check(ring, whole), IdentityCheck::invalid) << byte << "/" << bit;
        }
    }
}

/// The same document, spelled otherwise: members in the opposite order, white space, every character escaped.
std::string spelled_otherwise(const json& value) {
    std::string text;
    if (value.is_object()) {
        for (auto member = value.end(); member != value.begin();) {
            --member;
            text += (text.empty() ? "\n{ " : ",\t") + spelled_otherwise(member.key()) + " : " +
                    spelled_otherwise(member.value());
        }
        return (text.empty() ? "{" : text) + "\r\n}";
    }
    if (value.is_array()) {
        for (const json& element : value) text += (text.empty() ? "[ " : " ,\n") + spelled_otherwise(element);
        return (text.empty() ? "[" : text) + " ]";
    }
    if (!value.is_string()) return value.dump();
    const std::string escaped = value.dump(-1, ' ', true);  // beyond ASCII as \uXXXX
    for (std::size_t i = 0; i < escaped.size(); ++i) {
        const bool is_plain =
            std::isalnum(static_cast<unsigned char>(escaped[i])) != 0 && (i == 0 || escaped[i - 1] == '"');
        char code[8] = {};
        if (is_plain) std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(escaped[i]));
        text += is_plain ? std::string(code) : std::string(1, escaped[i]);
    }
    return text;
}

TEST(Seal, TheSpellingOfTheStoredObjectDoesNotCount) {
    const SealKeyRing ring{.current = key("k1", 1)};
    const json whole = full_object();
    const std::string text = spelled_otherwise(whole);
    ASSERT_NE(text, whole.dump());
    EXPECT_EQ(check(ring, json::parse(text)), IdentityCheck::valid);
    // Nor does what is not sealed.
    json more = whole;
    more["status"] = {{"phase", "Running"}};
    more["metadata"]["labels"] = {{"a", "b"}};
    EXPECT_EQ(check(ring, more), IdentityCheck::valid);
}

TEST(Seal, ASealIsOfOneNameInOneNamespaceAtOneTime) {
    const SealKeyRing ring{.current = key("k1", 1)};
    const json whole = full_object();
    for (const char* member : {"name", "namespace"}) {
        json copied = whole;
        copied["metadata"][member] = "other";
        EXPECT_EQ(check(ring, copied), IdentityCheck::invalid) << member;
    }
    // Nor can one be moved into the other.
    json moved = whole;
    moved["metadata"]["namespace"] = "productionr";
    moved["metadata"]["name"] = "";
    EXPECT_EQ(check(ring, moved), IdentityCheck::invalid);
    json later = whole;
    later["metadata"]["creationTimestamp"] = "2026-01-01T00:01:01Z";
    EXPECT_EQ(check(ring, later), IdentityCheck::invalid) << "posted again a minute later";
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
