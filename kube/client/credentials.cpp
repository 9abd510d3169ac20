#include "kube/client/credentials.hpp"

#include "kube/base/base64.hpp"
#include "kube/client/client.hpp"

#include <algorithm>
#include <cctype>

namespace kube {
namespace asio = boost::asio;

namespace {

class HeaderCredentials final : public Credentials {
  public:
    HeaderCredentials(HttpHeaders fixed, std::unique_ptr<TokenSource> token, std::shared_ptr<ExecCredentials> exec)
        : fixed_(std::move(fixed)), token_(std::move(token)), exec_(std::move(exec)) {}

    asio::awaitable<Result<HttpHeaders>> headers(std::stop_token stop) override {
        HttpHeaders headers = fixed_;
        std::string token;
        if (token_) {
            token = token_->token();
        } else if (exec_) {
            const auto answer = co_await exec_->get(std::move(stop));
            if (!answer) co_return std::unexpected(answer.error());
            token = (*answer)->token;
        }
        if (!token.empty()) headers.set("Authorization", "Bearer " + token);
        co_return headers;
    }

    void reject(SteadyTime used) override {
        if (token_) token_->reject(used);
        if (exec_) exec_->reject(used);
    }

  private:
    HttpHeaders fixed_;
    std::unique_ptr<TokenSource> token_;
    std::shared_ptr<ExecCredentials> exec_;
};

/// The key of an extra as a header name: everything that is no token character is percent-encoded, and '%' itself
/// (client-go transport/round_trippers.go headerKeyEscape). The server turns keys to lower case.
std::string escape_key(const std::string& key) {
    std::string out;
    for (const char c : key) {
        const bool plain =
            std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("!#$&'*+-.^_`|~").contains(c);
        out += plain ? std::string(1, c) : percent_encode(std::string_view(&c, 1));
    }
    return out;
}

void impersonate(const Impersonation& as, HttpHeaders& headers) {
    if (as.user.empty()) return;
    headers.set("Impersonate-User", as.user);
    if (!as.uid.empty()) headers.set("Impersonate-Uid", as.uid);
    for (const std::string& group : as.groups) headers.add("Impersonate-Group", group);
    for (const auto& [key, values] : as.extra) {
        for (const std::string& value : values) headers.add("Impersonate-Extra-" + escape_key(key), value);
    }
}

}  // namespace

std::shared_ptr<Credentials> make_token_credentials(std::unique_ptr<TokenSource> token) {
    return std::make_shared<HeaderCredentials>(HttpHeaders(), std::move(token), nullptr);
}

std::shared_ptr<Credentials> make_credentials(Clock& clock, const Config& config,
                                              std::function<Result<std::string>(const std::string&)> read_file,
                                              std::shared_ptr<ExecCredentials> exec) {
    HttpHeaders fixed;
    impersonate(config.impersonate, fixed);
    std::unique_ptr<TokenSource> token;
    if (!config.token_file.empty()) {
        token = make_file_token(
            clock, [path = config.token_file, read = std::move(read_file)] { return read(path); }, config.token);
    } else if (!config.token.empty()) {
        token = make_static_token(config.token);
    } else if (!config.username.empty() || !config.password.empty()) {
        fixed.set("Authorization", "Basic " + base64_encode(config.username + ":" + config.password));
    }
    return std::make_shared<HeaderCredentials>(std::move(fixed), std::move(token), std::move(exec));
}

}  // namespace kube
