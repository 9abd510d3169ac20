#include "controller/seal.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <utility>

namespace endoscope::fuzz {
namespace {

using controller::IdentityCheck;
using controller::SealedObject;
using controller::SealKey;
using controller::SealKeyRing;
using nlohmann::json;

SealKey key(const std::string& id, unsigned char fill) {
    SealKey result{.id = id};
    result.bytes.fill(fill);
    return result;
}

/// The sealed bytes must say all of the spec, in one spelling: then no two specs share a seal.
void check_bytes(const json& spec, const std::string& bytes) {
    const auto read = json_of(bytes);
    require(read.has_value(), "sealed bytes are JSON");
    require(read->dump() == bytes, "sealed bytes have one spelling");
    json rest = spec;
    json requester = rest["requester"];
    rest.erase("requester");
    requester.erase("seal");
    require((*read)["spec"].dump() == rest.dump(), "sealed bytes hold the whole spec");
    require((*read)["requester"].dump() == requester.dump(), "sealed bytes hold the whole requester");
    require((*read)["name"] == "name" && (*read)["namespace"] == "ns" && (*read)["kind"] == "K",
            "sealed bytes say what is sealed");
}

void check_seal(json spec) {
    const SealKeyRing ring{.current = key("now", 1), .others = {key("then", 2)}};
    const SealedObject object{.kind = "K", .namespace_name = "ns", .name = "name", .spec = spec};
    const auto bytes = controller::sealed_bytes(object);
    const auto seal = controller::make_seal(ring.others.front(), object);
    require(bytes.has_value() == seal.has_value(), "what has bytes has a seal");
    if (!seal) {
        require(is_one_line(seal.error()), "an error is one line");
        require(verify_seal(ring, object) != IdentityCheck::valid, "what cannot be sealed is not valid");
        return;
    }
    check_bytes(spec, *bytes);
    spec["requester"]["seal"] = *seal;
    require(verify_seal(ring, object) == IdentityCheck::valid, "a seal is valid");
    require(verify_seal({.current = key("now", 1)}, object) == IdentityCheck::unknown_key, "a key is told by its id");
    require(verify_seal({.current = key("then", 1)}, object) == IdentityCheck::invalid, "a key is its bytes");
    require(verify_seal(ring, {.kind = "L", .namespace_name = "ns", .name = "name", .spec = spec}) ==
                IdentityCheck::invalid,
            "a seal is of one kind");
    require(verify_seal(ring, {.kind = "K", .namespace_name = "nsn", .name = "ame", .spec = spec}) ==
                IdentityCheck::invalid,
            "a seal is of one name in one namespace");
    for (auto member = spec.begin(); member != spec.end(); ++member) {
        if (member.key() == "requester") continue;
        json less = spec;
        less.erase(member.key());
        require(verify_seal(ring, {.kind = "K", .namespace_name = "ns", .name = "name", .spec = less}) ==
                    IdentityCheck::invalid,
                "a seal is of all members of the spec");
    }
    json more = spec;
    more["requester"]["one more"] = nullptr;
    require(verify_seal(ring, {.kind = "K", .namespace_name = "ns", .name = "name", .spec = more}) ==
                IdentityCheck::invalid,
            "a seal is of all members of the requester");
}

}  // namespace
}  // namespace endoscope::fuzz

/// The input is a stored object, as anybody can write it where the webhook is bypassed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope;
    auto object = fuzz::json_of(fuzz::text_of(data, size));
    if (!object) return 0;
    const controller::SealKeyRing ring{.current = fuzz::key("now", 1)};
    fuzz::require(controller::check_identity(ring, "DebugRequest", *object) != controller::IdentityCheck::valid,
                  "nobody can forge a seal");
    fuzz::require(controller::check_identity({}, "DebugRequest", *object) != controller::IdentityCheck::valid,
                  "without a key nothing is valid");
    if (!object->is_object() || !object->contains("spec")) return 0;
    fuzz::check_seal(std::move((*object)["spec"]));
    return 0;
}
