#include "tests/model/admission.hpp"

#include "kube/base/signal.hpp"
#include "kube/net/http.hpp"
#include "tests/model/patch.hpp"

namespace model {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxAnswer = std::size_t{8} << 20;

struct Url {
    std::string host;
    unsigned short port = 443;
    std::string target;
    std::string authority;
};

std::optional<Url> parse_url(const std::string& text) {
    const std::string scheme = "https://";
    if (!text.starts_with(scheme)) return std::nullopt;
    Url out;
    const std::size_t slash = text.find('/', scheme.size());
    out.authority = text.substr(scheme.size(), slash == std::string::npos ? std::string::npos : slash - scheme.size());
    out.target = slash == std::string::npos ? "/" : text.substr(slash);
    out.host = out.authority;
    const std::size_t colon = out.authority.rfind(':');
    const std::size_t bracket = out.authority.rfind(']');
    if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
        out.host = out.authority.substr(0, colon);
        int port = 0;
        for (const char c : out.authority.substr(colon + 1)) {
            if (c < '0' || c > '9' || port > 65535) return std::nullopt;
            port = port * 10 + (c - '0');
        }
        if (port < 1 || port > 65535) return std::nullopt;
        out.port = static_cast<unsigned short>(port);
    }
    if (out.host.size() > 2 && out.host.front() == '[') out.host = out.host.substr(1, out.host.size() - 2);
    if (out.host.empty()) return std::nullopt;
    return out;
}

}  // namespace

/// One HTTP call, shared by the caller, who may stop waiting, and the coroutine that performs it.
struct Admission::Call {
    explicit Call(const asio::any_io_executor& executor) : done(executor) {}
    Url url;
    kube::TlsClientConfig tls;
    std::string body;
    kube::Signal done;
    bool finished = false;
    bool abandoned = false;
    kube::HttpClientConnection* connection = nullptr;
    int status = 0;
    std::string answer;
    std::string error;
};

Admission::Admission(asio::any_io_executor executor, kube::Clock& clock, const Storage& storage,
                     TransportFactory transports, std::function<std::string()> new_uid)
    : executor_(executor),
      clock_(clock),
      storage_(storage),
      transports_(std::move(transports)),
      new_uid_(std::move(new_uid)),
      calls_(std::move(executor)) {}

asio::awaitable<void> Admission::run(std::shared_ptr<Call> call) {
    const auto finish = [&call](std::string error) {
        call->connection = nullptr;
        call->error = std::move(error);
        call->finished = true;
        call->done.notify_all();
    };
    auto transport = transports_(call->url.host, call->url.port, call->tls);
    if (!transport) {
        finish(transport.error().message);
        co_return;
    }
    auto stream = co_await (*transport)->connect({});
    if (!stream || call->abandoned) {
        finish(stream ? "abandoned" : stream.error().message);
        co_return;
    }
    kube::HttpClientConnection connection(std::move(*stream));
    call->connection = &connection;
    kube::HttpRequest request;
    request.method = "POST";
    request.target = call->url.target;
    request.headers.set("Content-Type", "application/json");
    request.headers.set("Accept", "application/json, */*");
    request.headers.set("User-Agent", "kube-apiserver-admission");
    request.body = call->body;
    auto response = co_await connection.send(request, call->url.authority);
    if (!response) {
        finish(response.error().message);
        co_return;
    }
    auto body = co_await connection.read_whole_body(kMaxAnswer);
    if (!body) {
        finish(body.error().message);
        co_return;
    }
    call->status = response->status;
    call->answer = std::move(*body);
    connection.close();
    finish("");
}

asio::awaitable<Outcome<WebhookAnswer>> Admission::ask(Webhook webhook, bool mutating,
                                                       const AdmissionAttributes& attributes) {
    if (attributes.dry_run && !webhook.dry_run_safe) {
        co_return std::unexpected(
            bad_request("admission webhook " + quote(webhook.name) + " does not support dry run"));
    }
    const auto url = parse_url(webhook.url);
    WebhookAnswer answer;
    if (!webhook.problem.empty() || !url) {
        answer.call_error = !webhook.problem.empty() ? webhook.problem : "invalid URL " + quote(webhook.url);
    } else {
        const std::string uid = new_uid_();
        const auto call = std::make_shared<Call>(executor_);
        call->url = *url;
        call->url.target += (url->target.find('?') == std::string::npos ? "?" : "&") + std::string("timeout=") +
                            std::to_string(webhook.timeout_seconds) + "s";
        const std::string full_url = "https://" + url->authority + call->url.target;
        call->tls.ca_pem = webhook.ca_pem;
        call->body = kube::dump_json(admission_review(attributes, uid));
        bool late = false;
        const auto timer = clock_.call_after(std::chrono::seconds(webhook.timeout_seconds), [&late, call] {
            late = true;
            call->done.notify_all();
        });
        calls_.spawn("webhook call", run(call));
        while (!call->finished && !late) co_await call->done.wait();
        if (!call->finished) {
            call->abandoned = true;
            if (call->connection != nullptr) call->connection->close();
            answer.call_error = "failed to call webhook: Post " + quote(full_url) + ": context deadline exceeded";
        } else if (!call->error.empty()) {
            answer.call_error = "failed to call webhook: Post " + quote(full_url) + ": " + call->error;
        } else {
            answer = read_answer(webhook, mutating, uid, call->status, call->answer);
        }
    }
    if (!answer.call_error.empty()) {
        if (webhook.fail_closed) co_return std::unexpected(failed_calling(webhook, answer.call_error));
        answer.allowed = true;
        answer.patch = nullptr;
    }
    if (answer.denial) co_return std::unexpected(*answer.denial);
    co_return answer;
}

asio::awaitable<Outcome<Json>> Admission::mutate(AdmissionAttributes attributes, std::vector<std::string>& warnings) {
    const std::vector<Webhook> webhooks = select_webhooks(storage_, true, attributes);
    for (const Webhook& webhook : webhooks) {
        auto answer = co_await ask(webhook, true, attributes);
        if (!answer) co_return std::unexpected(std::move(answer.error()));
        for (std::string& warning : answer->warnings) warnings.push_back(std::move(warning));
        if (answer->patch.is_null()) continue;
        if (attributes.object.is_null()) {
            co_return std::unexpected(
                internal_error("admission webhook " + quote(webhook.name) +
                               " attempted to modify the object, which is not supported for this operation"));
        }
        auto patched = json_patch(attributes.object, answer->patch);
        if (!patched) {
            // Not the webhook's availability but its answer is broken: the failure policy does not help.
            co_return std::unexpected(internal_error(patched.error().message));
        }
        attributes.object = std::move(*patched);
    }
    co_return std::move(attributes.object);
}

asio::awaitable<Outcome<void>> Admission::validate(AdmissionAttributes attributes, std::vector<std::string>& warnings) {
    const std::vector<Webhook> webhooks = select_webhooks(storage_, false, attributes);
    for (const Webhook& webhook : webhooks) {
        auto answer = co_await ask(webhook, false, attributes);
        if (!answer) co_return std::unexpected(std::move(answer.error()));
        for (std::string& warning : answer->warnings) warnings.push_back(std::move(warning));
    }
    co_return Outcome<void>();
}

}  // namespace model
