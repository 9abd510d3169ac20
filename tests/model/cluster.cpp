#include "tests/model/cluster.hpp"

#include <cstdio>
#include <set>

namespace model {

Cluster::Cluster(kube::Clock& time, std::uint64_t seed, std::size_t history_limit)
    : clock(time), storage(history_limit), random_(seed) {}

std::string Cluster::new_uid() {
    const std::uint64_t high = random_();
    const std::uint64_t low = random_();
    char text[40];
    std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012llx", static_cast<unsigned>(high >> 32U),
                  static_cast<unsigned>((high >> 16U) & 0xffffU), static_cast<unsigned>(high & 0xfffU),
                  static_cast<unsigned>(0x8000U | ((low >> 48U) & 0x3fffU)),
                  static_cast<unsigned long long>(low & 0xffffffffffffULL));
    return text;
}

std::string Cluster::name_suffix() {
    // Upstream's alphabet: no vowels, no characters that look alike.
    constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    std::string out;
    for (int i = 0; i < 5; ++i) out += kAlphabet[random_() % kAlphabet.size()];
    return out;
}

void Cluster::finish_namespace(const std::string& name) {
    const Object space = ns(name);
    if (!space || string_at(*space, {"metadata", "deletionTimestamp"}).empty()) return;
    std::set<std::string> tables;
    for (const ResourcePtr& info : registry.all()) {
        if (info->namespaced && !info->storage.empty()) tables.insert(info->storage);
    }
    bool left = false;
    for (const std::string& table : tables) {
        for (const Object& object : storage.list(table, name)) {
            const std::string object_name = string_at(*object, {"metadata", "name"});
            if (array_at(*object, {"metadata", "finalizers"}).empty()) {
                storage.remove(table, name, object_name);
                continue;
            }
            left = true;
            if (!string_at(*object, {"metadata", "deletionTimestamp"}).empty()) continue;
            Json marked = *object;
            marked["metadata"]["deletionTimestamp"] = now();
            marked["metadata"]["deletionGracePeriodSeconds"] = 0;
            storage.put(table, name, object_name, std::move(marked));
        }
    }
    if (!left) storage.remove("namespaces", "", name);
}

}  // namespace model
