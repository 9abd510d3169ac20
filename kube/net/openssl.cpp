#include "kube/net/openssl.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits>
#include <vector>

namespace kube::openssl {

namespace {

int refuse_password(char*, int, int, void*) {
    return -1;
}

Result<BioPtr> reader(std::string_view text, std::string_view what) {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return fail(ErrorKind::config, std::string(what) + " is too large");
    }
    BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    if (!bio) return fail(ErrorKind::config, take_error());
    return bio;
}

}  // namespace

std::string take_error() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown error";
    if (const char* reason = ERR_reason_error_string(code)) return reason;
    return "OpenSSL error " + std::to_string(code);
}

Result<std::vector<CertificatePtr>> parse_certificates(std::string_view pem, std::string_view what) {
    const auto bio = reader(pem, what);
    if (!bio) return std::unexpected(bio.error());
    std::vector<CertificatePtr> certificates;
    ERR_clear_error();
    while (X509* certificate = PEM_read_bio_X509(bio->get(), nullptr, refuse_password, nullptr)) {
        certificates.emplace_back(certificate);
    }
    const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    const std::string reason = take_error();
    if (!at_end)
        return fail(ErrorKind::config, std::string(what) + " holds a certificate that cannot be read: " + reason);
    if (certificates.empty()) return fail(ErrorKind::config, std::string(what) + " contains no certificate");
    return certificates;
}

Result<KeyPtr> parse_private_key(std::string_view pem, std::string_view what) {
    const auto bio = reader(pem, what);
    if (!bio) return std::unexpected(bio.error());
    ERR_clear_error();
    KeyPtr key(PEM_read_bio_PrivateKey(bio->get(), nullptr, refuse_password, nullptr));
    if (key) return key;
    const bool encrypted = pem.find("ENCRYPTED") != std::string_view::npos;
    const std::string reason = take_error();
    return fail(ErrorKind::config, std::string(what) + (encrypted ? " is encrypted, which is not supported"
                                                                  : " contains no usable private key: " + reason));
}

Result<WallTime> not_after_of(const X509* certificate) {
    std::tm fields{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &fields) != 1)
        return fail(ErrorKind::config, "certificate: cannot read notAfter: " + take_error());
    return std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::from_time_t(timegm(&fields)));
}

}  // namespace kube::openssl
