#pragma once

#include "kube/runtime/ca_rotation.hpp"

#include <nlohmann/json.hpp>

namespace kube {

/// Makes an authority that is valid from now on; see `make_certificate_authority`.
Result<Authority> make_authority(const std::string& common_name, WallTime now, Duration lifetime);

/// Reads what `secret_data` wrote into a Secret. Anything that does not fit together is an error (`ErrorKind::config`)
/// that names the field, never key material.
Result<AuthoritySet> read_authorities(const nlohmann::json& secret);

/// `data` of the Secret: `tls.crt` and `tls.key` of the authority that signs, `next.crt` and `next.key`,
/// `previous.crt` and `previous-until` where there are any, and `ca.crt`, the whole bundle, for people and for clients
/// that are configured by hand.
nlohmann::json secret_data(const AuthoritySet& set);

}  // namespace kube
