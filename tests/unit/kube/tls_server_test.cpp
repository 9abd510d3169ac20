// What our servers agree to in a handshake, asked by a client of OpenSSL's own that can be old or unwise.
#include "kube/net/certificates.hpp"
#include "kube/net/tls_context.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

namespace kube {
namespace {

const KeyPair& served() {
    static const KeyPair pair = [] {
        const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
        const auto ca = make_certificate_authority("ca", now, std::chrono::hours(1));
        LeafOptions leaf;
        leaf.dns_names = {"server.test"};
        return *issue_certificate(*ca, leaf, now, std::chrono::hours(1));
    }();
    return pair;
}

/// Both ends of a connection in memory.
struct Ends {
    Ends(SSL_CTX* client_context, SSL_CTX* server_context)
        : client(SSL_new(client_context)), server(SSL_new(server_context)) {
        BIO* client_side = nullptr;
        BIO* server_side = nullptr;
        BIO_new_bio_pair(&client_side, 0, &server_side, 0);
        SSL_set_bio(client.get(), client_side, client_side);
        SSL_set_bio(server.get(), server_side, server_side);
        SSL_set_connect_state(client.get());
        SSL_set_accept_state(server.get());
    }
    /// Whether both are content; then a byte has gone each way, and tickets with it.
    bool shake_hands() const {
        for (int i = 0; i < 20; ++i) {
            SSL_do_handshake(client.get());
            SSL_do_handshake(server.get());
        }
        ERR_clear_error();
        char byte = 'x';
        return SSL_is_init_finished(client.get()) == 1 && SSL_is_init_finished(server.get()) == 1 &&
               SSL_write(server.get(), &byte, 1) == 1 && SSL_read(client.get(), &byte, 1) == 1 &&
               SSL_write(client.get(), &byte, 1) == 1 && SSL_read(server.get(), &byte, 1) == 1;
    }
    openssl::SslPtr client;
    openssl::SslPtr server;
};

openssl::ContextPtr server_context() {
    auto made = openssl::make_server_context(
        {.certificate_pem = served().certificate_pem, .key_pem = served().key_pem, .client_ca_pem = {}});
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
}

bool agrees(int newest, const char* ciphers) {
    const openssl::ContextPtr client(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(client.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client.get(), newest);
    SSL_CTX_set_security_level(client.get(), 0);
    EXPECT_EQ(SSL_CTX_set_cipher_list(client.get(), ciphers), 1) << ciphers;
    const openssl::ContextPtr server = server_context();
    return Ends(client.get(), server.get()).shake_hands();
}

TEST(TlsServer, AgreesToModernVersionsAndSuitesOnly) {
    EXPECT_TRUE(agrees(TLS1_3_VERSION, "DEFAULT"));
    EXPECT_TRUE(agrees(TLS1_2_VERSION, "DEFAULT"));
    EXPECT_TRUE(agrees(TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"));
    EXPECT_FALSE(agrees(TLS1_1_VERSION, "DEFAULT"));
    EXPECT_FALSE(agrees(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256")) << "CBC";
    EXPECT_FALSE(agrees(TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA")) << "CBC and SHA-1";
    EXPECT_FALSE(agrees(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM8"));
}

TEST(TlsServer, ResumesNoSession) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const openssl::ContextPtr client(SSL_CTX_new(TLS_client_method()));
        SSL_CTX_set_max_proto_version(client.get(), version);
        SSL_CTX_set_session_cache_mode(client.get(), SSL_SESS_CACHE_CLIENT);
        const openssl::ContextPtr server = server_context();
        const Ends first(client.get(), server.get());
        ASSERT_TRUE(first.shake_hands());
        SSL_SESSION* const session = SSL_get1_session(first.client.get());
        EXPECT_EQ(SSL_SESSION_has_ticket(session), 0) << version;
        const Ends second(client.get(), server.get());
        SSL_set_session(second.client.get(), session);
        EXPECT_TRUE(second.shake_hands());
        EXPECT_EQ(SSL_session_reused(second.client.get()), 0) << version;
        SSL_SESSION_free(session);
    }
}

TEST(TlsServer, RenegotiatesNothing) {
    const openssl::ContextPtr client(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(client.get(), TLS1_2_VERSION);
    const openssl::ContextPtr server = server_context();
    const Ends ends(client.get(), server.get());
    ASSERT_TRUE(ends.shake_hands());
    SSL_renegotiate(ends.client.get());
    EXPECT_FALSE(ends.shake_hands());
}

}  // namespace
}  // namespace kube
