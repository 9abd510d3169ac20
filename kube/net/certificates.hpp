#pragma once

#include "kube/base/clock.hpp"

#include <string>
#include <vector>

namespace kube {

/// A certificate and its private key (ECDSA P-256), both PEM.
struct KeyPair {
    std::string certificate_pem;
    std::string key_pem;
};

struct LeafOptions {
    std::string common_name;
    std::vector<std::string> organizations;
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;
    bool server = true;   ///< extendedKeyUsage serverAuth
    bool client = false;  ///< extendedKeyUsage clientAuth
};

/// A self-signed CA, valid from `now` minus five minutes (clock skew) for `lifetime`.
Result<KeyPair> make_certificate_authority(const std::string& common_name, WallTime now, Duration lifetime);
/// A leaf signed by `ca`.
Result<KeyPair> issue_certificate(const KeyPair& ca, const LeafOptions& options, WallTime now, Duration lifetime);
/// The first certificate in `pem`, again as PEM; empty when there is none.
std::string first_certificate(const std::string& pem);
/// A name that the first certificate in `pem` is valid for: its first DNS name, else its first address, else its common
/// name; empty when there is none.
std::string first_name(const std::string& pem);
/// Whether a client that trusts the certificates in `bundle_pem` and nothing else accepts `chain_pem` (a leaf and its
/// intermediates) from a server at `when`. Names are not compared. The error says what does not hold.
Result<void> verify_server_chain(const std::string& chain_pem, const std::string& bundle_pem, WallTime when);
/// Whether the private key belongs to the (first) certificate; the error says what cannot be used.
Result<void> check_key_pair(const KeyPair& pair);
/// notAfter of the first certificate in `pem`.
Result<WallTime> certificate_expiry(const std::string& pem);

}  // namespace kube
