#include "tests/integration/impersonation.hpp"

#include "kube/base/json.hpp"
#include "kube/client/connection.hpp"

#include <boost/asio/co_spawn.hpp>

#include <stdexcept>
#include <utility>

namespace endoscope::test {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxBody = std::size_t{1} << 20;

kube::HttpRequest to_http(const nlohmann::json& request, const Acting& acting) {
    kube::HttpRequest http{.method = "POST",
                           .target = "/apis/endoscope.dev/v1alpha1/namespaces/" +
                                     kube::string_at(request, {"metadata", "namespace"}) +
                                     "/debugrequests?fieldValidation=Strict",
                           .headers = {},
                           .body = kube::dump_json(request)};
    http.headers.set("Content-Type", "application/json");
    http.headers.set("Accept", "application/json");
    http.headers.set("Impersonate-User", acting.user);
    http.headers.set("Impersonate-Group", acting.group);
    return http;
}

}  // namespace

std::string Answer::message() const {
    return kube::string_at(body, {"message"});
}

Impersonator::Impersonator(const std::string& kubeconfig)
    : io_(1), clock_(kube::make_system_clock(io_.get_executor())) {
    const auto config = kube::load_config(kubeconfig, "", kube::ConfigSources::process());
    if (!config) throw std::runtime_error(config.error().message);
    auto connection = kube::make_connection(io_.get_executor(), *clock_, *config, kube::ConfigSources::process());
    if (!connection) throw std::runtime_error(connection.error().message);
    transport_ = connection->transport;
}

Impersonator::~Impersonator() = default;

Answer Impersonator::create(const nlohmann::json& request, const Acting& acting) {
    Answer answer;
    const auto exchange = [&]() -> asio::awaitable<void> {
        if (!connection_ || !connection_->reusable()) {
            auto stream = co_await transport_->connect({});
            if (!stream) co_return;
            connection_.emplace(*std::move(stream));
        }
        const kube::HttpRequest http = to_http(request, acting);
        const auto head = co_await connection_->send(http, transport_->host());
        if (!head) co_return;
        const auto text = co_await connection_->read_whole_body(kMaxBody);
        if (!text) co_return;
        const auto body = kube::parse_json(*text);
        if (!body) co_return;
        answer = {.status = head->status, .body = *body};
    };
    asio::co_spawn(io_, exchange(), [](const std::exception_ptr& failure) {
        if (failure) std::rethrow_exception(failure);
    });
    io_.restart();
    io_.run();
    return answer;
}

}  // namespace endoscope::test
