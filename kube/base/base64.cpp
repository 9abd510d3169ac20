#include "kube/base/base64.hpp"

#include <openssl/evp.h>

#include <algorithm>

namespace kube {

namespace {

const unsigned char* data(std::string_view text) {
    return static_cast<const unsigned char*>(static_cast<const void*>(text.data()));
}
unsigned char* data(std::string& text) {
    return static_cast<unsigned char*>(static_cast<void*>(text.data()));
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
    // One more than the text: OpenSSL ends it with a NUL.
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int length = EVP_EncodeBlock(data(text), data(bytes), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.empty()) return std::string();
    // EVP_DecodeBlock skips white space at both ends and takes padding anywhere, so both are checked here.
    const bool foreign =
        std::ranges::any_of(text, [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    if (foreign || text.size() % 4 != 0 || text.substr(0, text.size() - padding).contains('=')) return std::nullopt;
    std::string bytes(text.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(data(bytes), data(text), static_cast<int>(text.size()));
    if (length < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(length) - padding);
    return bytes;
}

}  // namespace kube
