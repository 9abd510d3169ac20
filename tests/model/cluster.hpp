#pragma once

#include "kube/base/clock.hpp"
#include "tests/model/authentication.hpp"
#include "tests/model/resource.hpp"
#include "tests/model/storage.hpp"

#include <random>
#include <string>

namespace model {

/// The state of the model: what would be etcd and the API server's registries. Deterministic from its seed and clock.
class Cluster {
  public:
    Cluster(kube::Clock& clock, std::uint64_t seed, std::size_t history_limit);
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    std::string now() const { return format_time(clock.now()); }
    /// A random UUID (version 4) from the seed.
    std::string new_uid();
    /// Five characters, as generateName appends.
    std::string name_suffix();

    /// The Namespace object when `name` exists.
    Object ns(const std::string& name) const { return storage.get("namespaces", "", name); }
    /// Removes a Terminating namespace's contents, and the namespace itself once nothing is left in it.
    void finish_namespace(const std::string& name);

    kube::Clock& clock;
    Storage storage;
    Registry registry;
    Tokens tokens;

  private:
    std::mt19937_64 random_;
};

}  // namespace model
