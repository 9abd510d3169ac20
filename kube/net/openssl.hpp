#pragma once

// Private to this folder: owners of OpenSSL objects, and its errors as text.

#include "kube/base/clock.hpp"
#include "kube/base/error.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kube::openssl {

template <auto release>
struct Deleter {
    template <class T>
    void operator()(T* object) const noexcept {
        release(object);
    }
};

using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Deleter<SSL_free>>;

/// The reason of the oldest error in OpenSSL's queue, which is emptied; never key material.
std::string take_error();

/// When the certificate stops being valid.
Result<WallTime> not_after_of(const X509* certificate);

/// All certificates in `pem`; other blocks are skipped. `what` names the text in errors.
Result<std::vector<CertificatePtr>> parse_certificates(std::string_view pem, std::string_view what);
/// The private key in `pem`. An encrypted one is refused instead of asking the terminal for a password.
Result<KeyPtr> parse_private_key(std::string_view pem, std::string_view what);

}  // namespace kube::openssl
