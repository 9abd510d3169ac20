#include "kube/net/tunnel.hpp"

#include "kube/base/base64.hpp"
#include "kube/net/http_wire.hpp"
#include "kube/net/streams.hpp"

#include <boost/asio/ip/address.hpp>

#include <array>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxHead = 64 * 1024;
constexpr std::size_t kReadSize = 4096;

using Bytes = std::string;

char byte(unsigned value) {
    return static_cast<char>(static_cast<unsigned char>(value));
}

/// `text` behind its length; nothing when it is too long for one byte of length.
Result<Bytes> counted(const std::string& text, const std::string& what) {
    if (text.size() > 255) return fail(ErrorKind::config, what + " is longer than 255 bytes");
    return byte(static_cast<unsigned>(text.size())) + text;
}

asio::awaitable<Result<Bytes>> read_exactly(ByteStream& stream, std::size_t count, std::string what) {
    Bytes bytes(count, '\0');
    for (std::size_t have = 0; have < count;) {
        const auto more = co_await stream.read_some(std::span<char>(bytes).subspan(have));
        if (!more) co_return std::unexpected(more.error());
        if (*more == 0) co_return fail(ErrorKind::transport, what + " closed the connection");
        have += *more;
    }
    co_return bytes;
}

asio::awaitable<Result<void>> connect_http(ByteStream& stream, Proxy proxy, std::string server, std::string what) {
    std::string request = "CONNECT " + server + " HTTP/1.1\r\n";
    wire::append_header(request, "Host", server);
    if (!proxy.user.empty()) {
        wire::append_header(request, "Proxy-Authorization",
                            "Basic " + base64_encode(proxy.user + ":" + proxy.password));
    }
    request += "\r\n";
    auto written = co_await stream.write(request);
    if (!written) co_return written;
    wire::InputBuffer input(kReadSize, kMaxHead + kReadSize);
    wire::MessageParser<false> parser(kMaxHead, std::nullopt);
    parser.beast().skip(true);
    for (;;) {
        const auto progress = parser.parse_head(input);
        if (progress == wire::Progress::complete) break;
        if (progress == wire::Progress::head_too_large) {
            co_return fail(ErrorKind::malformed, what + " answers with too large a head");
        }
        if (progress != wire::Progress::need_input) {
            co_return fail(ErrorKind::malformed, what + " does not answer in HTTP: " + parser.error());
        }
        const auto count = co_await stream.read_some(input.prepare());
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) co_return fail(ErrorKind::transport, what + " closed the connection");
        input.commit(*count);
    }
    const auto& head = parser.beast().get();
    const auto status = head.result_int();
    if (status >= 200 && status < 300) {
        // The server waits for our first byte, so these cannot be its own.
        if (!input.empty()) co_return fail(ErrorKind::malformed, what + " sends more than its answer");
        co_return Result<void>();
    }
    const std::string answer =
        std::to_string(status) + " " + std::string(wire::reason_phrase(static_cast<int>(status)));
    if (status == 407) {
        co_return fail(ErrorKind::config, what + " answers " + answer + "; put user and password into its URL");
    }
    co_return fail(ErrorKind::transport, what + " cannot connect to " + server + ": " + answer);
}

std::string socks_error(unsigned code) {
    // RFC 1928 section 6.
    static constexpr std::array<const char*, 9> kTexts = {"",
                                                          "general failure",
                                                          "not allowed by its rules",
                                                          "network unreachable",
                                                          "host unreachable",
                                                          "connection refused",
                                                          "TTL expired",
                                                          "command not supported",
                                                          "address type not supported"};
    return code < kTexts.size() ? kTexts.at(code) : "error " + std::to_string(code);
}

/// The server as SOCKS5 writes it: type and address, and the port.
Result<Bytes> socks_address(const std::string& host, unsigned short port) {
    Bytes out;
    boost::system::error_code not_an_address;
    const auto address = asio::ip::make_address(host, not_an_address);
    if (not_an_address) {
        const auto name = counted(host, "server name");
        if (!name) return name;
        out = '\3' + *name;
    } else if (address.is_v4()) {
        out = '\1';
        for (const unsigned char c : address.to_v4().to_bytes()) out += byte(c);
    } else {
        out = '\4';
        for (const unsigned char c : address.to_v6().to_bytes()) out += byte(c);
    }
    out += byte(port >> 8U);
    out += byte(port & 255U);
    return out;
}

asio::awaitable<Result<void>> log_in(ByteStream& stream, Proxy proxy, std::string what) {
    const auto user = counted(proxy.user, "proxy user");
    if (!user) co_return std::unexpected(user.error());
    const auto password = counted(proxy.password, "proxy password");
    if (!password) co_return std::unexpected(password.error());
    auto written = co_await stream.write('\1' + *user + *password);
    if (!written) co_return written;
    const auto answer = co_await read_exactly(stream, 2, what);
    if (!answer) co_return std::unexpected(answer.error());
    if ((*answer)[1] != '\0') co_return fail(ErrorKind::config, what + " refuses the user and password of its URL");
    co_return Result<void>();
}

asio::awaitable<Result<void>> connect_socks(ByteStream& stream, Proxy proxy, std::string host, unsigned short port,
                                            std::string what) {
    const auto address = socks_address(host, port);
    if (!address) co_return std::unexpected(address.error());
    const bool has_user = !proxy.user.empty();
    // Version 5; one or two methods: no authentication, user and password.
    auto written = co_await stream.write(has_user ? Bytes("\5\2\0\2", 4) : Bytes("\5\1\0", 3));
    if (!written) co_return written;
    const auto method = co_await read_exactly(stream, 2, what);
    if (!method) co_return std::unexpected(method.error());
    if ((*method)[0] != '\5') co_return fail(ErrorKind::malformed, what + " does not speak SOCKS5");
    if ((*method)[1] == '\2' && has_user) {
        auto done = co_await log_in(stream, std::move(proxy), what);
        if (!done) co_return done;
    } else if ((*method)[1] != '\0') {
        co_return fail(ErrorKind::config, what + " wants another authentication; put user and password into its URL");
    }
    written = co_await stream.write(Bytes("\5\1\0", 3) + *address);
    if (!written) co_return written;
    const auto head = co_await read_exactly(stream, 4, what);
    if (!head) co_return std::unexpected(head.error());
    if ((*head)[0] != '\5') co_return fail(ErrorKind::malformed, what + " does not speak SOCKS5");
    if ((*head)[1] != '\0') {
        co_return fail(ErrorKind::transport, what + " cannot connect to " + host_and_port(host, port) + ": " +
                                                 socks_error(static_cast<unsigned char>((*head)[1])));
    }
    // The address that the proxy connects from follows; it is of no interest.
    std::size_t length = 0;
    if ((*head)[3] == '\1') {
        length = 4;
    } else if ((*head)[3] == '\4') {
        length = 16;
    } else if ((*head)[3] == '\3') {
        const auto size = co_await read_exactly(stream, 1, what);
        if (!size) co_return std::unexpected(size.error());
        length = static_cast<unsigned char>((*size)[0]);
    } else {
        co_return fail(ErrorKind::malformed, what + " answers with an unknown address type");
    }
    const auto rest = co_await read_exactly(stream, length + 2, what);
    if (!rest) co_return std::unexpected(rest.error());
    co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<void>> open_tunnel(ByteStream& stream, Proxy proxy, std::string host, unsigned short port) {
    const std::string what = "proxy " + proxy.describe();
    if (proxy.kind == Proxy::Kind::socks5) {
        auto done = co_await connect_socks(stream, std::move(proxy), std::move(host), port, what);
        co_return done;
    }
    auto done = co_await connect_http(stream, std::move(proxy), host_and_port(host, port), what);
    co_return done;
}

}  // namespace kube
