#include "kube/net/certificates.hpp"

#include "kube/net/openssl.hpp"

#include <gtest/gtest.h>

#include <set>

namespace kube {
namespace {

const WallTime kNow(std::chrono::seconds(1'767'323'045));
constexpr std::chrono::hours kDay(24);

KeyPair authority() {
    auto made = make_certificate_authority("test-ca", kNow, 365 * kDay);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : KeyPair();
}

openssl::CertificatePtr parse(const std::string& pem) {
    auto parsed = openssl::parse_certificates(pem, "certificate");
    EXPECT_TRUE(parsed && parsed->size() == 1);
    return std::move(parsed->front());
}

/// X509_V_OK, or why `leaf` is not to be trusted at `when` for `purpose`.
int verify(const X509* leaf, const std::string& ca_pem, WallTime when, int purpose) {
    const openssl::CertificatePtr ca = parse(ca_pem);
    X509_STORE* const store = X509_STORE_new();
    X509_STORE_add_cert(store, ca.get());
    X509_STORE_CTX* const context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, store, const_cast<X509*>(leaf), nullptr);
    X509_STORE_CTX_set_purpose(context, purpose);
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_time(context, 0, std::chrono::system_clock::to_time_t(when));
    X509_verify_cert(context);
    const int result = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return result;
}

TEST(Certificates, AnIssuedLeafIsWhatItsOptionsSay) {
    const KeyPair ca = authority();
    LeafOptions options;
    options.common_name = "webhook";
    options.organizations = {"system:masters", "second, O=third"};
    options.dns_names = {"endoscope.ns.svc", "a.test,DNS:evil.test"};
    options.ip_addresses = {"127.0.0.1", "fd00::1"};
    options.client = true;
    const auto issued = issue_certificate(ca, options, kNow, 7 * kDay);
    ASSERT_TRUE(issued) << issued.error().message;
    const openssl::CertificatePtr leaf = parse(issued->certificate_pem);
    EXPECT_EQ(X509_check_host(leaf.get(), "endoscope.ns.svc", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_host(leaf.get(), "evil.test", 0, 0, nullptr), 0) << "a name must not smuggle in another";
    EXPECT_EQ(X509_check_ip_asc(leaf.get(), "127.0.0.1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(leaf.get(), "fd00::1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(leaf.get(), "127.0.0.2", 0), 0);
    EXPECT_EQ(X509_NAME_entry_count(X509_get_subject_name(leaf.get())), 3);
    EXPECT_EQ(verify(leaf.get(), ca.certificate_pem, kNow, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    EXPECT_EQ(verify(leaf.get(), ca.certificate_pem, kNow, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    EXPECT_EQ(verify(leaf.get(), ca.certificate_pem, kNow + 8 * kDay, X509_PURPOSE_SSL_SERVER),
              X509_V_ERR_CERT_HAS_EXPIRED);
    EXPECT_EQ(verify(leaf.get(), authority().certificate_pem, kNow, X509_PURPOSE_SSL_SERVER),
              X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    EXPECT_EQ(X509_check_ca(leaf.get()), 0);
}

TEST(Certificates, AServerCertificateIsNoClientCertificate) {
    const KeyPair ca = authority();
    LeafOptions options;
    options.common_name = "server";
    const auto issued = issue_certificate(ca, options, kNow, kDay);
    ASSERT_TRUE(issued);
    const openssl::CertificatePtr leaf = parse(issued->certificate_pem);
    EXPECT_EQ(verify(leaf.get(), ca.certificate_pem, kNow, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    EXPECT_EQ(verify(leaf.get(), ca.certificate_pem, kNow, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_INVALID_PURPOSE);
}

TEST(Certificates, ValidityToleratesSkewedClocksAndNeverOutlivesTheCa) {
    const KeyPair ca = authority();
    EXPECT_EQ(certificate_expiry(ca.certificate_pem).value(), kNow + std::chrono::hours(365 * 24));
    const openssl::CertificatePtr root = parse(ca.certificate_pem);
    EXPECT_EQ(verify(root.get(), ca.certificate_pem, kNow - std::chrono::minutes(4), X509_PURPOSE_ANY), X509_V_OK);
    EXPECT_EQ(verify(root.get(), ca.certificate_pem, kNow - std::chrono::minutes(6), X509_PURPOSE_ANY),
              X509_V_ERR_CERT_NOT_YET_VALID);
    const auto longer = issue_certificate(ca, LeafOptions(), kNow, 1000 * kDay);
    ASSERT_TRUE(longer);
    EXPECT_EQ(certificate_expiry(longer->certificate_pem).value(), certificate_expiry(ca.certificate_pem).value());
}

TEST(Certificates, SerialsAndKeysAreFresh) {
    const KeyPair ca = authority();
    std::set<std::string> serials;
    std::set<std::string> keys;
    for (int i = 0; i < 5; ++i) {
        const auto issued = issue_certificate(ca, LeafOptions(), kNow, kDay);
        ASSERT_TRUE(issued);
        const openssl::CertificatePtr leaf = parse(issued->certificate_pem);
        const ASN1_INTEGER* const serial = X509_get0_serialNumber(leaf.get());
        EXPECT_GE(serial->length, 15);
        serials.emplace(serial->data, serial->data + serial->length);
        keys.insert(issued->key_pem);
    }
    EXPECT_EQ(serials.size(), 5U);
    EXPECT_EQ(keys.size(), 5U);
}

TEST(Certificates, BadInputIsAnErrorWithoutSecrets) {
    const KeyPair ca = authority();
    const KeyPair other = authority();
    const auto issue = [](const KeyPair& with, const LeafOptions& options = {}) {
        return issue_certificate(with, options, kNow, kDay);
    };
    LeafOptions bad_ip;
    bad_ip.ip_addresses = {"localhost"};
    LeafOptions long_name;
    long_name.common_name = std::string(300, 'x');
    std::string cut = ca.certificate_pem;
    cut.erase(100, 8);
    const std::vector<std::pair<Result<KeyPair>, std::string>> rows = {
        {issue({ca.certificate_pem, other.key_pem}), "does not belong"},
        {issue({"", ca.key_pem}), "contains no certificate"},
        {issue({cut, ca.key_pem}), "cannot be read"},
        {issue({ca.certificate_pem, ca.certificate_pem}), "no usable private key"},
        {issue(ca, bad_ip), "not an IP address: localhost"},
        {issue(ca, long_name), "common name"},
    };
    for (const auto& [result, expected] : rows) {
        ASSERT_FALSE(result) << expected;
        EXPECT_EQ(result.error().kind, ErrorKind::config);
        EXPECT_TRUE(result.error().message.contains(expected)) << result.error().message;
        EXPECT_FALSE(result.error().message.contains("PRIVATE KEY"));
    }
    EXPECT_FALSE(certificate_expiry("nothing"));
}

TEST(Certificates, OnlyTheFirstCertificateCountsForExpiry) {
    const KeyPair ca = authority();
    const auto leaf = issue_certificate(ca, LeafOptions(), kNow, kDay);
    ASSERT_TRUE(leaf);
    const auto expiry =
        certificate_expiry("# a comment\n" + leaf->key_pem + leaf->certificate_pem + ca.certificate_pem);
    ASSERT_TRUE(expiry) << expiry.error().message;
    EXPECT_EQ(*expiry, kNow + std::chrono::hours(24));
}

TEST(Certificates, AChainIsVerifiedAsAClientWould) {
    const KeyPair ca = authority();
    LeafOptions options;
    options.common_name = "server";
    const auto leaf = issue_certificate(ca, options, kNow, kDay);
    ASSERT_TRUE(leaf);
    const std::string& pem = leaf->certificate_pem;
    EXPECT_TRUE(verify_server_chain(pem, ca.certificate_pem, kNow));
    EXPECT_TRUE(verify_server_chain(pem, authority().certificate_pem + ca.certificate_pem, kNow));
    EXPECT_TRUE(verify_server_chain(pem, pem, kNow)) << "an anchor need not sign itself";
    EXPECT_FALSE(verify_server_chain(pem, authority().certificate_pem, kNow));
    EXPECT_FALSE(verify_server_chain(pem, ca.certificate_pem, kNow + 2 * kDay));
    EXPECT_FALSE(verify_server_chain(pem, ca.certificate_pem, kNow - kDay)) << "not valid yet";
    EXPECT_TRUE(verify_server_chain(pem, ca.certificate_pem, kNow - std::chrono::minutes(4))) << "clocks differ";
    EXPECT_FALSE(verify_server_chain("", ca.certificate_pem, kNow));
    EXPECT_FALSE(verify_server_chain(pem, "", kNow));
    options.server = false;
    options.client = true;
    const auto client = issue_certificate(ca, options, kNow, kDay);
    ASSERT_TRUE(client);
    EXPECT_FALSE(verify_server_chain(client->certificate_pem, ca.certificate_pem, kNow)) << "not for a server";
}

TEST(Certificates, AKeyBelongsToItsCertificateOnly) {
    const KeyPair one = authority();
    const KeyPair two = authority();
    EXPECT_TRUE(check_key_pair(one));
    EXPECT_FALSE(check_key_pair({.certificate_pem = one.certificate_pem, .key_pem = two.key_pem}));
    EXPECT_FALSE(check_key_pair({.certificate_pem = one.certificate_pem, .key_pem = ""}));
    EXPECT_FALSE(check_key_pair({.certificate_pem = "", .key_pem = one.key_pem}));
}

}  // namespace
}  // namespace kube
