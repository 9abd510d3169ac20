#include "tests/integration/etcd.hpp"

#include "kube/base/json.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <nlohmann/json.hpp>

#include <sstream>
#include <stdexcept>

namespace endoscope::test {

namespace {

using nlohmann::json;

/// One call of etcd's JSON gateway.
json call(const std::string& port, const std::string& path, const json& body) {
    const std::string sent = kube::dump_json(body);
    boost::asio::ip::tcp::iostream stream("127.0.0.1", port);
    stream << "POST " << path << " HTTP/1.0\r\nContent-Length: " << sent.size() << "\r\n\r\n" << sent << std::flush;
    std::ostringstream text;
    text << stream.rdbuf();
    const std::string answer = text.str();
    const auto end_of_head = answer.find("\r\n\r\n");
    auto parsed = kube::parse_json(end_of_head == std::string::npos ? "" : answer.substr(end_of_head + 4));
    if (!parsed || parsed->contains("error")) throw std::runtime_error("etcd answers " + path + " with " + answer);
    return std::move(*parsed);
}

}  // namespace

void compact_etcd(const std::string& url) {
    const std::string port = url.substr(url.rfind(':') + 1);
    const json now = call(port, "/v3/kv/range", {{"key", "AA=="}});
    call(port, "/v3/kv/compaction", {{"revision", now["header"]["revision"]}, {"physical", true}});
}

}  // namespace endoscope::test
