#include "kube/net/url.hpp"

#include <boost/url/parse.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace kube {

Result<Url> parse_url(const std::string& text) {
    // Without an authority Boost 1.81 asserts on some paths ("a: "), and it would be of no use here.
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos || text.compare(colon, 3, "://") != 0) {
        return fail(ErrorKind::config, "is not a valid URL");
    }
    const auto parsed = boost::urls::parse_uri(text);
    if (!parsed) return fail(ErrorKind::config, "is not a valid URL");
    const boost::urls::url_view& view = *parsed;
    Url url;
    url.scheme.assign(view.scheme().data(), view.scheme().size());
    std::ranges::transform(url.scheme, url.scheme.begin(), [](unsigned char c) { return std::tolower(c); });
    if (!view.has_authority() || view.encoded_host().empty()) return fail(ErrorKind::config, "has no host");
    url.user = view.user();
    url.password = view.password();
    url.host = view.host_address();
    const auto path = view.encoded_path();
    url.path.assign(path.data(), path.size());
    if (!view.has_port()) return url;
    const auto port = view.port();
    const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (code != std::errc() || end != port.data() + port.size() || url.port == 0) {
        return fail(ErrorKind::config, "has a port that is not a number from 1 to 65535");
    }
    return url;
}

}  // namespace kube
