#include "tests/conformance/http_user.hpp"

#include "kube/client/connection.hpp"

#include <boost/asio/co_spawn.hpp>

#include <stdexcept>

namespace endoscope::conformance {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxBody = std::size_t{4} << 20;
constexpr kube::Duration kAnswerTime = std::chrono::seconds(60);
constexpr kube::Duration kSilence = std::chrono::seconds(20);

[[noreturn]] void no_answer(const kube::HttpRequest& request, const kube::Error& error) {
    throw std::runtime_error(request.method + " " + request.target + ": no answer: " + error.message);
}

}  // namespace

HttpUser::HttpUser(asio::io_context& io, kube::Clock& clock, const std::string& kubeconfig) : io_(io), clock_(clock) {
    const auto config = kube::load_config(kubeconfig, "", kube::ConfigSources::process());
    if (!config) throw std::runtime_error(config.error().message);
    auto connection = kube::make_connection(io_.get_executor(), clock_, *config, kube::ConfigSources::process());
    if (!connection) throw std::runtime_error(connection.error().message);
    transport_ = std::move(connection->transport);
}

HttpUser::~HttpUser() = default;

void HttpUser::run(asio::awaitable<void> task) {
    bool done = false;
    std::exception_ptr failure;
    asio::co_spawn(io_, std::move(task), [&](const std::exception_ptr& thrown) {
        failure = thrown;
        done = true;
    });
    io_.restart();
    while (!done) io_.run_one();
    if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> HttpUser::exchange_once(const kube::HttpRequest& request, kube::HttpResponse& out) {
    if (!connection_ || !connection_->reusable()) {
        auto stream = co_await transport_->connect({});
        if (!stream) no_answer(request, stream.error());
        connection_ = std::make_unique<kube::HttpClientConnection>(*std::move(stream));
    }
    const auto deadline = clock_.call_after(kAnswerTime, [this] { connection_->close(); });
    auto head = co_await connection_->send(request, transport_->host());
    if (!head) no_answer(request, head.error());
    out = *std::move(head);
    auto body = co_await connection_->read_whole_body(kMaxBody);
    if (!body) no_answer(request, body.error());
    out.body = *std::move(body);
}

kube::HttpResponse HttpUser::exchange(const kube::HttpRequest& request) {
    kube::HttpResponse out;
    run(exchange_once(request, out));
    return out;
}

asio::awaitable<void> HttpUser::begin(const kube::HttpRequest& request, Stream& stream) {
    auto bytes = co_await transport_->connect({});
    if (!bytes) no_answer(request, bytes.error());
    stream.connection = std::make_unique<kube::HttpClientConnection>(*std::move(bytes));
    const auto deadline = clock_.call_after(kAnswerTime, [&stream] { stream.connection->close(); });
    auto head = co_await stream.connection->send(request, transport_->host());
    if (!head) no_answer(request, head.error());
    stream.head = *std::move(head);
}

std::unique_ptr<HttpUser::Stream> HttpUser::open(const kube::HttpRequest& request) {
    auto stream = std::make_unique<Stream>();
    run(begin(request, *stream));
    return stream;
}

asio::awaitable<void> HttpUser::read_more(Stream& stream, std::size_t count, std::vector<std::string>& lines) {
    const auto silence = clock_.call_after(kSilence, [&stream] { stream.connection->close(); });
    while (lines.size() < count) {
        const std::size_t end = stream.pending.find('\n');
        if (end != std::string::npos) {
            lines.push_back(stream.pending.substr(0, end));
            stream.pending.erase(0, end + 1);
            continue;
        }
        if (stream.ended) break;
        const auto more = co_await stream.connection->read_body(stream.pending);
        stream.ended = !more || !*more;
    }
    if (stream.ended && lines.size() < count && !stream.pending.empty()) {
        lines.push_back(std::exchange(stream.pending, ""));
    }
}

std::vector<std::string> HttpUser::read_lines(Stream& stream, std::size_t count) {
    std::vector<std::string> lines;
    run(read_more(stream, count, lines));
    return lines;
}

}  // namespace endoscope::conformance
