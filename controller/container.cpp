#include "controller/container.hpp"

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace endoscope::controller {
namespace {

using Sha256 = std::array<unsigned char, 32>;

Sha256 sha256(std::string_view bytes) {
    Sha256 digest{};
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
        // Out of memory, or a library without SHA-256. A name from anything else could be another request's.
        throw std::runtime_error("OpenSSL cannot compute SHA-256");
    }
    return digest;
}

std::string hex(const Sha256& digest) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * digest.size());
    for (const unsigned char byte : digest) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 0xFU];
    }
    return text;
}

/// The first characters of the base32 form (RFC 4648) in lower case; five bits each.
std::string base32(const Sha256& digest, std::size_t characters) {
    constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
    std::string text;
    unsigned int bits = 0;
    unsigned int count = 0;
    for (std::size_t i = 0; text.size() < characters; ++i) {
        bits = ((bits << 8U) | digest.at(i)) & 0xFFFU;
        for (count += 8; count >= 5 && text.size() < characters;) {
            count -= 5;
            text += kDigits[(bits >> count) & 0x1FU];
        }
    }
    return text;
}

std::string_view pull_policy(const api::DebugRequestSpec& spec, const ContainerPlan& plan) {
    if (spec.image_pull_policy) return api::to_string(*spec.image_pull_policy);
    return api::to_string(plan.has_digest ? api::PullPolicy::if_not_present : api::PullPolicy::always);
}

nlohmann::json environment(const api::DebugRequest& request) {
    auto env = nlohmann::json::array();
    for (const api::EnvVar& variable : request.spec.env) {
        env.push_back({{"name", variable.name}, {"value", variable.value}});
    }
    env.push_back({{"name", api::kRequestEnv}, {"value", request.namespace_name + "/" + request.name}});
    return env;
}

}  // namespace

std::string spec_digest(const api::DebugRequestSpec& spec) {
    nlohmann::json asked = api::to_json(spec);
    asked.erase("requester");
    return hex(sha256(asked.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
}

std::string container_name(std::string_view namespace_name, std::string_view name, std::string_view digest,
                           std::string_view pod_uid) {
    constexpr char kSeparator = '\0';
    std::string bytes(namespace_name);
    bytes.append(1, kSeparator).append(name);
    bytes.append(1, kSeparator).append(digest);
    bytes.append(1, kSeparator).append(pod_uid);
    return "dbg-" + base32(sha256(bytes), 10);
}

std::string container_name(const api::DebugRequest& request, std::string_view pod_uid) {
    if (!request.spec.container_name.empty()) return request.spec.container_name;
    return container_name(request.namespace_name, request.name, spec_digest(request.spec), pod_uid);
}

nlohmann::json build_ephemeral_container(const api::DebugRequest& request, const ContainerPlan& plan) {
    const api::DebugRequestSpec& spec = request.spec;
    nlohmann::json container = {{"name", plan.name},
                                {"image", plan.image},
                                {"imagePullPolicy", pull_policy(spec, plan)},
                                {"targetContainerName", plan.target_container},
                                {"env", environment(request)}};
    if (!spec.command.empty()) container["command"] = spec.command;
    if (!spec.args.empty()) container["args"] = spec.args;
    if (!spec.working_dir.empty()) container["workingDir"] = spec.working_dir;
    if (spec.mode == api::Mode::interactive) {
        container["stdin"] = true;
        container["stdinOnce"] = true;
        container["tty"] = true;
    }
    nlohmann::json context = api::to_json(plan.security_context);
    if (!context.is_null()) container["securityContext"] = std::move(context);
    return container;
}

}  // namespace endoscope::controller
