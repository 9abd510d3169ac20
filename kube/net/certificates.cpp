#include "kube/net/certificates.hpp"

#include "kube/net/openssl.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <ctime>
#include <span>

namespace kube {

namespace {

using namespace openssl;

constexpr Duration kClockSkew = std::chrono::minutes(5);

using BignumPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using NamePtr = std::unique_ptr<X509_NAME, Deleter<X509_NAME_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX_free>>;
struct FreeChain {
    void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_free(chain); }
};
using ChainPtr = std::unique_ptr<STACK_OF(X509), FreeChain>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

std::unexpected<Error> failed(const std::string& step) {
    return fail(ErrorKind::config, "certificate: " + step + ": " + take_error());
}

KeyPtr generate_key() {
    return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

struct Issuer {
    X509* certificate;
    EVP_PKEY* key;
};

bool set_random_serial(X509* certificate) {
    const BignumPtr serial(BN_new());
    return serial && BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_name(X509_NAME* name, const char* field, const std::string& value) {
    std::array<unsigned char, 256> bytes{};
    if (value.size() > bytes.size()) return false;
    std::copy(value.begin(), value.end(), bytes.begin());
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, bytes.data(), static_cast<int>(value.size()), -1,
                                      0) == 1;
}

bool add_extension(X509* certificate, const Issuer& issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer.certificate, certificate, nullptr, nullptr, 0);
    X509V3_set_ctx_nodb(&context);
    const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

/// Built by hand and not from a text like "DNS:a,DNS:b", in which a name could smuggle in another one.
Result<void> add_alternative_names(X509* certificate, const LeafOptions& options) {
    if (options.dns_names.empty() && options.ip_addresses.empty()) return {};
    const NamesPtr names(sk_GENERAL_NAME_new_null());
    if (!names) return failed("allocate");
    const auto push = [&names](int type, ASN1_STRING* value) {
        GENERAL_NAME* name = GENERAL_NAME_new();
        if (name == nullptr || value == nullptr) return false;
        GENERAL_NAME_set0_value(name, type, value);
        return sk_GENERAL_NAME_push(names.get(), name) > 0;
    };
    for (const std::string& dns : options.dns_names) {
        ASN1_IA5STRING* value = ASN1_IA5STRING_new();
        if (value == nullptr || ASN1_STRING_set(value, dns.data(), static_cast<int>(dns.size())) != 1 ||
            !push(GEN_DNS, value)) {
            return failed("add DNS name " + dns);
        }
    }
    for (const std::string& ip : options.ip_addresses) {
        ASN1_OCTET_STRING* value = a2i_IPADDRESS(ip.c_str());
        if (value == nullptr) return fail(ErrorKind::config, "certificate: not an IP address: " + ip);
        if (!push(GEN_IPADD, value)) return failed("add IP address " + ip);
    }
    if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) != 1) return failed("add names");
    return {};
}

bool set_validity(X509* certificate, WallTime from, WallTime until) {
    const TimePtr not_before(ASN1_TIME_set(nullptr, std::chrono::system_clock::to_time_t(from)));
    const TimePtr not_after(ASN1_TIME_set(nullptr, std::chrono::system_clock::to_time_t(until)));
    return not_before && not_after && X509_set1_notBefore(certificate, not_before.get()) == 1 &&
           X509_set1_notAfter(certificate, not_after.get()) == 1;
}

Result<CertificatePtr> unsigned_certificate(const std::string& common_name,
                                            const std::vector<std::string>& organizations, EVP_PKEY* key, WallTime from,
                                            WallTime until) {
    CertificatePtr certificate(X509_new());
    const NamePtr subject(X509_NAME_new());
    if (!certificate || !subject) return failed("allocate");
    for (const std::string& organization : organizations) {
        if (!add_name(subject.get(), "O", organization)) return failed("set organization");
    }
    if (!common_name.empty() && !add_name(subject.get(), "CN", common_name)) return failed("set common name");
    if (X509_set_version(certificate.get(), X509_VERSION_3) != 1 || !set_random_serial(certificate.get()) ||
        X509_set_subject_name(certificate.get(), subject.get()) != 1 || X509_set_pubkey(certificate.get(), key) != 1 ||
        !set_validity(certificate.get(), from, until)) {
        return failed("set fields");
    }
    return certificate;
}

template <class Write>
Result<std::string> to_pem(Write write) {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    if (!bio || write(bio.get()) != 1) return failed("write PEM");
    std::string text(BIO_ctrl_pending(bio.get()), '\0');
    if (BIO_read(bio.get(), text.data(), static_cast<int>(text.size())) != static_cast<int>(text.size())) {
        return failed("write PEM");
    }
    return text;
}

Result<KeyPair> to_pair(X509* certificate, EVP_PKEY* key) {
    auto certificate_pem = to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
    if (!certificate_pem) return std::unexpected(certificate_pem.error());
    auto key_pem =
        to_pem([&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
    if (!key_pem) return std::unexpected(key_pem.error());
    return KeyPair{std::move(*certificate_pem), std::move(*key_pem)};
}

std::string address_text(std::span<const unsigned char> bytes) {
    char text[INET6_ADDRSTRLEN] = {};
    const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
    if (bytes.size() != 4 && bytes.size() != 16) return {};
    return inet_ntop(family, bytes.data(), text, sizeof text) == nullptr ? std::string() : std::string(text);
}

}  // namespace

Result<KeyPair> make_certificate_authority(const std::string& common_name, WallTime now, Duration lifetime) {
    const KeyPtr key(generate_key());
    if (!key) return failed("generate key");
    const auto until = now + std::chrono::duration_cast<WallTime::duration>(lifetime);
    const auto from = now - std::chrono::duration_cast<WallTime::duration>(kClockSkew);
    const auto made = unsigned_certificate(common_name, {}, key.get(), from, until);
    if (!made) return std::unexpected(made.error());
    X509* const certificate = made->get();
    const Issuer self{certificate, key.get()};
    if (X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) != 1 ||
        !add_extension(certificate, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(certificate, self, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign") ||
        !add_extension(certificate, self, NID_subject_key_identifier, "hash") ||
        !add_extension(certificate, self, NID_authority_key_identifier, "keyid:always")) {
        return failed("add extensions");
    }
    if (X509_sign(certificate, key.get(), EVP_sha256()) == 0) return failed("sign");
    return to_pair(certificate, key.get());
}

Result<KeyPair> issue_certificate(const KeyPair& ca, const LeafOptions& options, WallTime now, Duration lifetime) {
    const auto ca_certificates = parse_certificates(ca.certificate_pem, "CA certificate");
    if (!ca_certificates) return std::unexpected(ca_certificates.error());
    const auto ca_key = parse_private_key(ca.key_pem, "CA key");
    if (!ca_key) return std::unexpected(ca_key.error());
    const Issuer issuer{ca_certificates->front().get(), ca_key->get()};
    if (X509_check_private_key(issuer.certificate, issuer.key) != 1) {
        return fail(ErrorKind::config, "certificate: the CA's private key does not belong to its certificate");
    }
    const auto ca_until = not_after_of(issuer.certificate);
    if (!ca_until) return std::unexpected(ca_until.error());
    const KeyPtr key(generate_key());
    if (!key) return failed("generate key");
    // A leaf that outlives its CA looks valid and is not.
    const auto until = std::min(now + std::chrono::duration_cast<WallTime::duration>(lifetime), *ca_until);
    const auto from = now - std::chrono::duration_cast<WallTime::duration>(kClockSkew);
    const auto made = unsigned_certificate(options.common_name, options.organizations, key.get(), from, until);
    if (!made) return std::unexpected(made.error());
    X509* const certificate = made->get();
    std::string usages;
    if (options.server) usages = "serverAuth";
    if (options.client) usages += usages.empty() ? "clientAuth" : ",clientAuth";
    if (X509_set_issuer_name(certificate, X509_get_subject_name(issuer.certificate)) != 1 ||
        !add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") ||
        (!usages.empty() && !add_extension(certificate, issuer, NID_ext_key_usage, usages.c_str())) ||
        !add_extension(certificate, issuer, NID_subject_key_identifier, "hash") ||
        !add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always")) {
        return failed("add extensions");
    }
    if (const auto named = add_alternative_names(certificate, options); !named) return std::unexpected(named.error());
    if (X509_sign(certificate, issuer.key, EVP_sha256()) == 0) return failed("sign");
    return to_pair(certificate, key.get());
}

std::string first_certificate(const std::string& pem) {
    const auto certificates = parse_certificates(pem, "certificate");
    if (!certificates) return {};
    const auto text = to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificates->front().get()); });
    return text ? *text : std::string();
}

std::string first_name(const std::string& pem) {
    const auto certificates = parse_certificates(pem, "certificate");
    if (!certificates) return {};
    X509* const certificate = certificates->front().get();
    const NamesPtr names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::string address;
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS) {
            const auto* const text = ASN1_STRING_get0_data(name->d.dNSName);
            return {text, text + ASN1_STRING_length(name->d.dNSName)};
        }
        if (name->type != GEN_IPADD || !address.empty()) continue;
        const auto* const bytes = ASN1_STRING_get0_data(name->d.iPAddress);
        address = address_text({bytes, static_cast<std::size_t>(ASN1_STRING_length(name->d.iPAddress))});
    }
    if (!address.empty()) return address;
    const int at = X509_NAME_get_index_by_NID(X509_get_subject_name(certificate), NID_commonName, -1);
    if (at < 0) return {};
    const ASN1_STRING* const text =
        X509_NAME_ENTRY_get_data(X509_NAME_get_entry(X509_get_subject_name(certificate), at));
    const auto* const bytes = ASN1_STRING_get0_data(text);
    return {bytes, bytes + ASN1_STRING_length(text)};
}

Result<void> verify_server_chain(const std::string& chain_pem, const std::string& bundle_pem, WallTime when) {
    const auto chain = parse_certificates(chain_pem, "certificate");
    if (!chain) return std::unexpected(chain.error());
    const auto anchors = parse_certificates(bundle_pem, "CA bundle");
    if (!anchors) return std::unexpected(anchors.error());
    const StorePtr store(X509_STORE_new());
    const StoreContextPtr context(X509_STORE_CTX_new());
    const ChainPtr intermediates(sk_X509_new_null());
    bool ok = store && context && intermediates;
    for (const CertificatePtr& anchor : *anchors) ok = ok && X509_STORE_add_cert(store.get(), anchor.get()) == 1;
    // The stack borrows: freeing it frees no certificate.
    for (const CertificatePtr& one : *chain) ok = ok && sk_X509_push(intermediates.get(), one.get()) > 0;
    ok = ok && X509_STORE_CTX_init(context.get(), store.get(), chain->front().get(), intermediates.get()) == 1 &&
         X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER) == 1;
    if (!ok) return failed("verify");
    // As Go does: an anchor need not be self-signed.
    X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_time(context.get(), 0, std::chrono::system_clock::to_time_t(when));
    if (X509_verify_cert(context.get()) == 1) return {};
    const int why = X509_STORE_CTX_get_error(context.get());
    return fail(ErrorKind::tls, X509_verify_cert_error_string(why));
}

Result<void> check_key_pair(const KeyPair& pair) {
    const auto certificates = parse_certificates(pair.certificate_pem, "certificate");
    if (!certificates) return std::unexpected(certificates.error());
    const auto key = parse_private_key(pair.key_pem, "private key");
    if (!key) return std::unexpected(key.error());
    if (X509_check_private_key(certificates->front().get(), key->get()) == 1) return {};
    return fail(ErrorKind::config, "the private key does not belong to the certificate: " + take_error());
}

Result<WallTime> certificate_expiry(const std::string& pem) {
    const auto certificates = parse_certificates(pem, "certificate");
    if (!certificates) return std::unexpected(certificates.error());
    return not_after_of(certificates->front().get());
}

}  // namespace kube
