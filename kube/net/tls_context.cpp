#include "kube/net/tls_context.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <span>

namespace kube::openssl {

namespace {

constexpr std::array<unsigned char, 9> kProtocols = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                    unsigned int offered_length, void*) {
    // The selected name must point into memory that outlives the call, which `offered` does.
    for (unsigned int at = 0; at < offered_length; at += 1U + offered[at]) {
        const std::span<const unsigned char> name(offered + at, std::min(1U + offered[at], offered_length - at));
        if (std::ranges::equal(name, kProtocols)) {
            *out = name.data() + 1;
            *out_length = static_cast<unsigned char>(name.size() - 1);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;  // e.g. a client that only says "h2": it may still speak HTTP/1.1
}

/// Forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
constexpr const char* kServerCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// Where a connection keeps the peer's certificate that was refused; OpenSSL forgets it.
int refused_certificate_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                                  [](void*, void* certificate, CRYPTO_EX_DATA*, int, long, void*) {
                                                      X509_free(static_cast<X509*>(certificate));
                                                  });
    return index;
}

int note_refused_certificate(int ok, X509_STORE_CTX* store) {
    X509* const certificate = X509_STORE_CTX_get_current_cert(store);
    auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (ok == 1 || certificate == nullptr || SSL_get_ex_data(ssl, refused_certificate_index()) != nullptr) return ok;
    X509_up_ref(certificate);
    SSL_set_ex_data(ssl, refused_certificate_index(), certificate);
    return ok;
}

Result<ContextPtr> make_context(const SSL_METHOD* method) {
    ContextPtr context(SSL_CTX_new(method));
    if (!context) return fail(ErrorKind::config, "TLS: " + take_error());
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    // An idle connection then holds 34 kB less.
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
    return context;
}

Result<void> use_key_pair(SSL_CTX* context, const std::string& certificate_pem, const std::string& key_pem,
                          const std::string& whose) {
    const auto chain = parse_certificates(certificate_pem, whose + " certificate");
    if (!chain) return std::unexpected(chain.error());
    const auto key = parse_private_key(key_pem, whose + " private key");
    if (!key) return std::unexpected(key.error());
    if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
        ERR_clear_error();
        return fail(ErrorKind::config, whose + " private key does not belong to the " + whose + " certificate");
    }
    bool ok = SSL_CTX_use_certificate(context, chain->front().get()) == 1 &&
              SSL_CTX_use_PrivateKey(context, key->get()) == 1 && SSL_CTX_check_private_key(context) == 1;
    for (std::size_t i = 1; ok && i < chain->size(); ++i) {
        ok = SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) == 1;
    }
    if (!ok) return fail(ErrorKind::config, whose + " certificate cannot be used: " + take_error());
    return {};
}

/// Trusts exactly the certificates in `pem`, also those that are not self-signed, as Go does.
Result<std::vector<CertificatePtr>> trust_only(SSL_CTX* context, const std::string& pem, std::string_view what) {
    auto anchors = parse_certificates(pem, what);
    if (!anchors) return anchors;
    X509_STORE* const store = SSL_CTX_get_cert_store(context);
    for (const CertificatePtr& anchor : *anchors) {
        if (X509_STORE_add_cert(store, anchor.get()) != 1) {
            return fail(ErrorKind::config, std::string(what) + " cannot be used: " + take_error());
        }
    }
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return anchors;
}

bool is_ip_address(const std::string& name) {
    ASN1_OCTET_STRING* const parsed = a2i_IPADDRESS(name.c_str());
    ASN1_OCTET_STRING_free(parsed);
    ERR_clear_error();
    return parsed != nullptr;
}

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

std::string to_utf8(const X509_NAME_ENTRY* entry) {
    unsigned char* bytes = nullptr;
    const int length = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry));
    if (length < 0) return {};
    const std::string text(bytes, bytes + length);
    OPENSSL_free(bytes);
    return text;
}

}  // namespace

Result<ContextPtr> make_client_context(const TlsClientConfig& config) {
    auto context = make_context(TLS_client_method());
    if (!context) return context;
    SSL_CTX* const raw = context->get();
    if (SSL_CTX_set_alpn_protos(raw, kProtocols.data(), kProtocols.size()) != 0) {
        return fail(ErrorKind::config, "TLS: cannot set ALPN");
    }
    if (config.insecure) {
        if (!config.ca_pem.empty()) {
            return fail(ErrorKind::config,
                        "a CA certificate together with insecure-skip-tls-verify makes no sense: "
                        "remove one of them");
        }
        SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
    } else {
        SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, note_refused_certificate);
        if (config.ca_pem.empty()) {
            if (SSL_CTX_set_default_verify_paths(raw) != 1) return fail(ErrorKind::config, "TLS: " + take_error());
        } else if (const auto anchors = trust_only(raw, config.ca_pem, "CA bundle"); !anchors) {
            return std::unexpected(anchors.error());
        }
    }
    if (config.certificate_pem.empty() != config.key_pem.empty()) {
        return fail(ErrorKind::config, config.key_pem.empty() ? "client certificate without its private key"
                                                              : "client private key without its certificate");
    }
    if (!config.certificate_pem.empty()) {
        const auto used = use_key_pair(raw, config.certificate_pem, config.key_pem, "client");
        if (!used) return std::unexpected(used.error());
    }
    return context;
}

Result<ContextPtr> make_server_context(const TlsServerConfig& config) {
    auto context = make_context(TLS_server_method());
    if (!context) return context;
    SSL_CTX* const raw = context->get();
    SSL_CTX_set_options(raw, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_alpn_select_cb(raw, select_protocol, nullptr);
    const auto used = use_key_pair(raw, config.certificate_pem, config.key_pem, "server");
    if (!used) return std::unexpected(used.error());
    if (SSL_CTX_set_cipher_list(raw, kServerCiphers) != 1) return fail(ErrorKind::config, "TLS: " + take_error());
    // Every connection shows its certificates anew: a resumed session would outlive a CA that is trusted no more.
    SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(raw, 0);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    if (config.client_ca_pem.empty()) return context;
    const auto anchors = trust_only(raw, config.client_ca_pem, "client CA bundle");
    if (!anchors) return std::unexpected(anchors.error());
    for (const CertificatePtr& anchor : *anchors) SSL_CTX_add_client_CA(raw, anchor.get());
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    return context;
}

Result<SslPtr> make_client_connection(SSL_CTX* context, const std::string& name) {
    SslPtr ssl(SSL_new(context));
    if (!ssl) return fail(ErrorKind::tls, "TLS: " + take_error());
    SSL_set_connect_state(ssl.get());
    bool ok = true;
    if (is_ip_address(name)) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str()) == 1;
    } else {
        // Only alternative names count and wildcards match whole labels, as in Go.
        SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        std::string sni = name;
        ok = SSL_set1_host(ssl.get(), name.c_str()) == 1 &&
             SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, sni.data()) == 1;
    }
    if (!ok) return fail(ErrorKind::tls, "TLS: " + name + " cannot be used as a server name: " + take_error());
    return ssl;
}

Result<SslPtr> make_server_connection(SSL_CTX* context) {
    SslPtr ssl(SSL_new(context));
    if (!ssl) return fail(ErrorKind::tls, "TLS: " + take_error());
    SSL_set_accept_state(ssl.get());
    return ssl;
}

std::string verification_failure(const SSL* ssl) {
    const long result = SSL_get_verify_result(ssl);
    if (result == X509_V_OK || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE) return {};
    std::string text = X509_verify_cert_error_string(result);
    const auto* const certificate = static_cast<const X509*>(SSL_get_ex_data(ssl, refused_certificate_index()));
    if (result != X509_V_ERR_CERT_HAS_EXPIRED || certificate == nullptr) return text;
    if (const auto until = not_after_of(certificate)) text += " (it was valid until " + format_time(*until) + ")";
    return text;
}

std::optional<PeerCertificate> verified_peer(const SSL* ssl) {
    if (SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE || SSL_get_verify_result(ssl) != X509_V_OK) return std::nullopt;
    const X509* certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == nullptr) return std::nullopt;
    PeerCertificate peer;
    const X509_NAME* const subject = X509_get_subject_name(certificate);
    for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
        const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(subject, i);
        const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        if (nid == NID_commonName) peer.common_name = to_utf8(entry);  // the last one wins, as in Go
        if (nid == NID_organizationName) peer.organizations.push_back(to_utf8(entry));
    }
    const NamesPtr names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != GEN_DNS) continue;
        const auto* const text = ASN1_STRING_get0_data(name->d.dNSName);
        peer.dns_names.emplace_back(text, text + ASN1_STRING_length(name->d.dNSName));
    }
    return peer;
}

void mark_shut_down(SSL* ssl) {
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

}  // namespace kube::openssl
