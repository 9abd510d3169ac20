#pragma once

#include "controller/seal.hpp"
#include "kube/client/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <stop_token>
#include <string>

namespace endoscope::controller {

inline constexpr std::string_view kSealSecret = "endoscope-seal-key";

/// Reads the key ring from its Secret, or creates the Secret with a fresh key when there is none. The Secret holds
/// `current` (the id of the sealing key) and one `key-<id>` of 32 bytes for every key still accepted.
/// A Secret that cannot be understood is an error and never replaced: that would break every seal made with it.
boost::asio::awaitable<kube::Result<std::shared_ptr<const SealKeyRing>>> load_seal_keys(kube::Client& client,
                                                                                        std::string ns,
                                                                                        std::stop_token stop);

}  // namespace endoscope::controller
