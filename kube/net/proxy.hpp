#pragma once

#include "kube/base/error.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace kube {

/// A forward proxy between us and a server.
struct Proxy {
    enum class Kind {
        http,    ///< HTTP CONNECT (RFC 9110 section 9.3.6) over TCP.
        https,   ///< The same over TLS; the proxy's certificate is verified against the system's roots.
        socks5,  ///< RFC 1928. The proxy looks the server's name up.
    };
    Kind kind = Kind::http;
    std::string host;  ///< Without brackets.
    unsigned short port = 0;
    std::string user;  ///< Empty = no authentication.
    std::string password;

    /// Scheme, host and port, for errors and logs: never user or password.
    std::string describe() const;
    /// The URL again, user and password included: only for a credential plugin that is given the cluster's data.
    std::string url() const;
};

/// Reads "http://user:password@host:port"; the scheme is http, https, socks5 or socks5h. Default ports are 80, 443 and
/// 1080. The error is one phrase that follows a name ("has no host") and never quotes the text.
Result<Proxy> parse_proxy(const std::string& url);

/// The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY (or their lower-case forms) name for a server: nothing for
/// loopback and for what NO_PROXY excludes (names, .domains, addresses, CIDR ranges, each with an optional port except
/// the last, and `*`). Source: golang.org/x/net/http/httpproxy, whose rules client-go inherits. Unlike there, a value
/// that cannot be read is an error and not ignored.
Result<std::optional<Proxy>> proxy_from_environment(const std::map<std::string, std::string>& environment, bool tls,
                                                    const std::string& host, unsigned short port);

}  // namespace kube
