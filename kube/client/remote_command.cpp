#include "kube/client/remote_command.hpp"

#include "kube/client/status.hpp"
#include "kube/net/websocket.hpp"

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace kube {
namespace asio = boost::asio;

namespace {

/// In order of preference. v5 adds a signal that ends stdin, which no command here has. A server before 1.30 passes the
/// upgrade on to the kubelet, which knows v4.
constexpr std::string_view kPreferred = "v5.channel.k8s.io";
constexpr std::string_view kOlder = "v4.channel.k8s.io";
/// For the peer's good-bye, when all that matters has been received.
constexpr Duration kCloseTimeout = std::chrono::seconds(2);
constexpr int kSwitchingProtocols = 101;

std::string protocols() {
    return std::string(kPreferred) + ", " + std::string(kOlder);
}

std::string path_of(const ExecRequest& request) {
    return "/api/v1/namespaces/" + percent_encode(request.ns) + "/pods/" + percent_encode(request.pod) + "/exec";
}

/// An answer other than the upgrade.
Error refusal(const HttpResponse& answer) {
    Error error = error_from_response(answer.status, answer.body, answer.headers);
    if (answer.status < 400) {
        error.kind = ErrorKind::malformed;
        error.message = "answered with HTTP " + std::to_string(answer.status) +
                        " instead of an upgrade to WebSocket, which a proxy in between may not pass on";
    } else if (error.reason.empty()) {  // no Status, so no word about what was refused
        error.message =
            "the upgrade to WebSocket was refused with HTTP " + std::to_string(answer.status) + ": " + error.message;
    }
    return error;
}

class WebSocketCommandRunner final : public CommandRunner {
  public:
    WebSocketCommandRunner(std::shared_ptr<Transport> transport, Clock& clock, RemoteCommandOptions options,
                           std::shared_ptr<Credentials> credentials)
        : transport_(std::move(transport)),
          clock_(clock),
          options_(std::move(options)),
          credentials_(std::move(credentials)) {}

    asio::awaitable<Result<ExecResult>> run(ExecRequest request, std::stop_token stop) override {
        const std::string what =
            "exec in " + request.ns + "/" + request.pod + ", container " + request.container + ": ";
        std::stop_source end;
        bool timed_out = false;
        const auto deadline = clock_.call_after(request.timeout, [&] {
            timed_out = true;
            end.request_stop();
        });
        const std::stop_callback on_stop(stop, [&end] { end.request_stop(); });
        auto result = co_await attempt(std::move(request), end.get_token());
        if (result) co_return result;
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, what + "stopped");
        if (timed_out) co_return fail(ErrorKind::timeout, what + "not ended within the deadline");
        result.error().message = what + result.error().message;
        co_return result;
    }

  private:
    asio::awaitable<Result<ExecResult>> attempt(ExecRequest request, std::stop_token stop) {
        HttpRequest message = to_http(request);
        if (credentials_) {
            auto identity = co_await credentials_->headers(stop);
            if (!identity) co_return std::unexpected(std::move(identity.error()));
            for (const auto& [name, value] : identity->fields()) message.headers.add(name, value);
        }
        const SteadyTime identified = clock_.steady_now();
        auto stream = co_await transport_->connect(stop);
        if (!stream) {
            observe("<error>", identified);
            co_return std::unexpected(std::move(stream.error()));
        }
        if (request.may_send && !request.may_send()) {
            (*stream)->close();
            co_return fail(ErrorKind::cancelled, "may not be sent any more");
        }
        WebSocketClient socket(co_await asio::this_coro::executor, std::move(*stream));
        const std::stop_callback on_stop(stop, [&socket] { socket.abort(); });
        auto answer = co_await socket.open(std::move(message), std::string(transport_->host()));
        observe(answer ? std::to_string(answer->status) : "<error>", identified);
        if (!answer) co_return std::unexpected(std::move(answer.error()));
        if (answer->status == 401 && credentials_) credentials_->reject(identified);
        if (answer->status != kSwitchingProtocols) co_return std::unexpected(refusal(*answer));
        const std::string_view protocol = answer->headers.get("Sec-WebSocket-Protocol");
        if (protocol != kPreferred && protocol != kOlder) {
            co_return fail(ErrorKind::malformed, "the server speaks none of " + protocols());
        }
        auto result = co_await receive(socket, request.max_output);
        co_return result;
    }

    asio::awaitable<Result<ExecResult>> receive(WebSocketClient& socket, std::size_t max_output) {
        RemoteCommandDecoder decoder(max_output);
        while (!decoder.done()) {
            const auto piece = co_await socket.read();
            if (!piece) co_return std::unexpected(piece.error());
            if (!*piece) break;
            if (auto taken = decoder.feed(**piece); !taken) co_return std::unexpected(std::move(taken.error()));
        }
        const auto deadline = clock_.call_after(kCloseTimeout, [&socket] { socket.abort(); });
        co_await socket.close();
        co_return std::move(decoder).finish();
    }

    HttpRequest to_http(const ExecRequest& request) const {
        HttpRequest http;
        http.target = options_.path_prefix + path_of(request) +
                      "?stdout=true&stderr=true&container=" + percent_encode(request.container);
        for (const std::string& word : request.command) http.target += "&command=" + percent_encode(word);
        http.headers.set("User-Agent", options_.user_agent);
        // For a refusal's Status; the upgrade itself is of no type, so that kube-apiserver answers 406 to JSON alone.
        http.headers.set("Accept", "application/json, */*");
        http.headers.set("Sec-WebSocket-Protocol", protocols());
        return http;
    }

    void observe(std::string_view code, SteadyTime started) {
        if (options_.observer == nullptr) return;
        options_.observer->on_request("GET", transport_->host(), code, clock_.steady_now() - started);
    }

    std::shared_ptr<Transport> transport_;
    Clock& clock_;
    RemoteCommandOptions options_;
    std::shared_ptr<Credentials> credentials_;
};

}  // namespace

std::unique_ptr<CommandRunner> make_command_runner(std::shared_ptr<Transport> transport, Clock& clock,
                                                   RemoteCommandOptions options,
                                                   std::shared_ptr<Credentials> credentials) {
    return std::make_unique<WebSocketCommandRunner>(std::move(transport), clock, std::move(options),
                                                    std::move(credentials));
}

}  // namespace kube
