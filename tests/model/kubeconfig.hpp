#pragma once

#include "kube/net/certificates.hpp"

#include <string>

namespace model {

/// A kubeconfig for one user with a client certificate, everything inline.
std::string kubeconfig(const std::string& server, const std::string& ca_pem, const std::string& user,
                       const kube::KeyPair& certificate);

}  // namespace model
