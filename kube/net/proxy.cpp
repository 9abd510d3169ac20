#include "kube/net/proxy.hpp"

#include "kube/net/streams.hpp"
#include "kube/net/url.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include <algorithm>
#include <cctype>
#include <sstream>

namespace kube {
namespace ip = boost::asio::ip;

namespace {

std::string variable(const std::map<std::string, std::string>& environment, const char* upper, const char* lower) {
    for (const char* const name : {upper, lower}) {
        const auto found = environment.find(name);
        if (found != environment.end() && !found->second.empty()) return found->second;
    }
    return {};
}

std::string lower_case(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

std::optional<ip::address> to_address(const std::string& text) {
    boost::system::error_code code;
    auto address = ip::make_address(text, code);
    if (code) return std::nullopt;
    // "::ffff:10.0.0.1" is 10.0.0.1, as in Go.
    if (address.is_v6() && address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6());
    return address;
}

bool range_contains(const std::string& range, const ip::address& address) {
    boost::system::error_code code;
    if (address.is_v4()) {
        const auto network = ip::make_network_v4(range, code);
        return !code && ip::network_v4(address.to_v4(), network.prefix_length()).network() == network.network();
    }
    const auto network = ip::make_network_v6(range, code);
    return !code && ip::network_v6(address.to_v6(), network.prefix_length()).network() == network.network();
}

/// Whether one entry of NO_PROXY, trimmed and in lower case, names the server.
bool excludes(std::string entry, const std::string& host, const std::optional<ip::address>& address,
              const std::string& port) {
    if (entry == "*") return true;
    if (entry.contains('/')) return address && range_contains(entry, *address);
    std::string entry_port;
    // A second colon and no bracket: an IPv6 address without a port.
    const std::size_t colon = entry.rfind(':');
    if (colon != std::string::npos && (entry.find(':') == colon || entry[colon - 1] == ']')) {
        entry_port = entry.substr(colon + 1);
        entry.resize(colon);
    }
    if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
    if (entry.empty() || (!entry_port.empty() && entry_port != port)) return false;
    if (const auto named = to_address(entry)) return address && *named == *address;
    if (address) return false;
    if (entry.starts_with("*.")) entry.erase(0, 1);
    if (entry.starts_with('.')) return host.ends_with(entry);
    return host == entry || host.ends_with("." + entry);
}

}  // namespace

std::string Proxy::describe() const {
    const char* const scheme = kind == Kind::http ? "http://" : kind == Kind::https ? "https://" : "socks5://";
    return scheme + host_and_port(host, port);
}

std::string Proxy::url() const {
    if (user.empty()) return describe();
    const auto encode = [](const std::string& text) {
        return boost::urls::encode(text, boost::urls::unreserved_chars);
    };
    const std::string plain = describe();
    const std::size_t at = plain.find("://") + 3;
    return plain.substr(0, at) + encode(user) + ":" + encode(password) + "@" + plain.substr(at);
}

Result<Proxy> parse_proxy(const std::string& url) {
    const auto parsed = parse_url(url);
    if (!parsed) return std::unexpected(parsed.error());
    Proxy proxy;
    if (parsed->scheme == "http") {
        proxy.port = 80;
    } else if (parsed->scheme == "https") {
        proxy.kind = Proxy::Kind::https;
        proxy.port = 443;
    } else if (parsed->scheme == "socks5" || parsed->scheme == "socks5h") {
        proxy.kind = Proxy::Kind::socks5;
        proxy.port = 1080;
    } else {
        return fail(ErrorKind::config, "has an unsupported scheme; it must be http, https or socks5");
    }
    proxy.host = parsed->host;
    if (parsed->port != 0) proxy.port = parsed->port;
    proxy.user = parsed->user;
    proxy.password = parsed->password;
    return proxy;
}

Result<std::optional<Proxy>> proxy_from_environment(const std::map<std::string, std::string>& environment, bool tls,
                                                    const std::string& host, unsigned short port) {
    const char* const name = tls ? "HTTPS_PROXY" : "HTTP_PROXY";
    const std::string url =
        tls ? variable(environment, name, "https_proxy") : variable(environment, name, "http_proxy");
    if (url.empty()) return std::nullopt;
    const std::string server = lower_case(host);
    const auto address = to_address(server);
    if (server == "localhost" || (address && address->is_loopback())) return std::nullopt;
    std::istringstream entries(variable(environment, "NO_PROXY", "no_proxy"));
    for (std::string entry; std::getline(entries, entry, ',');) {
        std::erase_if(entry, [](unsigned char c) { return std::isspace(c) != 0; });
        if (!entry.empty() && excludes(lower_case(entry), server, address, std::to_string(port))) return std::nullopt;
    }
    // "proxy:3128" alone is an HTTP proxy.
    auto proxy = parse_proxy(url.contains("://") ? url : "http://" + url);
    if (!proxy) return fail(ErrorKind::config, std::string(name) + " " + proxy.error().message);
    return *std::move(proxy);
}

}  // namespace kube
