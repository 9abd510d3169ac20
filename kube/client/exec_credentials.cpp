#include "kube/client/exec_credentials.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/base/yaml.hpp"
#include "kube/net/tls.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr Duration kTimeout = std::chrono::seconds(60);
constexpr Duration kLeastLife = std::chrono::seconds(5);
constexpr Duration kFailureLife = std::chrono::seconds(1);

std::unexpected<Error> unusable(const std::string& what) {
    return fail(ErrorKind::malformed, what);
}

/// On one line, whatever a kubeconfig's author put there: escape sequences must not reach a terminal.
std::string one_line(std::string text) {
    std::ranges::replace_if(text, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
    return text;
}

}  // namespace

Result<ExecCredential> parse_exec_credential(const std::string& output, const std::string& api_version) {
    const auto documents = parse_yaml(output);
    if (!documents || documents->empty() || !documents->front().is_object()) {
        return unusable("printed no ExecCredential object");
    }
    const nlohmann::json& object = documents->front();
    if (string_at(object, {"kind"}) != "ExecCredential") return unusable("printed no ExecCredential object");
    if (const std::string version = string_at(object, {"apiVersion"}); version != api_version) {
        return unusable("is configured for " + api_version + " and answered in another apiVersion");
    }
    const auto* status = find_at(object, {"status"});
    if (status == nullptr || !status->is_object()) return unusable("answered without a status");
    ExecCredential credential;
    credential.token = string_at(*status, {"token"});
    credential.certificate_pem = string_at(*status, {"clientCertificateData"});
    credential.key_pem = string_at(*status, {"clientKeyData"});
    if (credential.certificate_pem.empty() != credential.key_pem.empty()) {
        return unusable("answered with a certificate or a key, and not with both");
    }
    if (credential.token.empty() && credential.key_pem.empty()) {
        return unusable("answered with neither a token nor a client certificate");
    }
    TlsClientConfig pair;
    pair.insecure = true;
    pair.certificate_pem = credential.certificate_pem;
    pair.key_pem = credential.key_pem;
    if (const auto checked = check_tls_client_config(pair); !checked) {
        return unusable("answered with a certificate that cannot be used: " + checked.error().message);
    }
    const auto* expires = find_at(*status, {"expirationTimestamp"});
    if (expires == nullptr || expires->is_null()) return credential;
    credential.expires = parse_time(string_at(*status, {"expirationTimestamp"}));
    if (!credential.expires) return unusable("answered with an expirationTimestamp that is no RFC 3339 time");
    return credential;
}

ExecCredentials::ExecCredentials(asio::any_io_executor executor, Clock& clock, ExecConfig config,
                                 std::map<std::string, std::string> environment, std::shared_ptr<ProcessRunner> runner,
                                 ConnectionObserver* observer)
    : clock_(clock),
      config_(std::move(config)),
      environment_(std::move(environment)),
      runner_(std::move(runner)),
      observer_(observer),
      changed_(std::move(executor)) {}

bool ExecCredentials::usable() const {
    if (!answer_) return false;
    const Duration age = clock_.steady_now() - answered_;
    if (!*answer_) return age < kFailureLife;
    const auto& expires = (**answer_)->expires;
    return !expires || age < kLeastLife || clock_.now() < *expires;
}

void ExecCredentials::reject(SteadyTime used) {
    if (answer_ && answered_ <= used) answer_.reset();
}

asio::awaitable<Result<std::shared_ptr<const ExecCredential>>> ExecCredentials::get(std::stop_token stop) {
    const std::stop_callback on_stop(stop, [this] { changed_.notify_all(); });
    const std::uint64_t before = runs_;
    for (;;) {
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "credential plugin: stopped");
        // Whoever waited for a run takes its answer, however short that lives.
        if (answer_ && (usable() || runs_ != before)) co_return *answer_;
        if (!running_) break;
        co_await changed_.wait();
    }
    running_ = true;
    auto answer = co_await run(stop);
    running_ = false;
    // A run that its caller gave up says nothing to the others: one of them starts the next.
    if (answer || answer.error().kind != ErrorKind::cancelled) {
        ++runs_;
        answer_ = answer;
        answered_ = clock_.steady_now();
        if (answer) last_ = *answer;
    }
    changed_.notify_all();
    co_return answer;
}

ProcessOptions ExecCredentials::process() const {
    nlohmann::json info = {
        {"apiVersion", config_.api_version}, {"kind", "ExecCredential"}, {"spec", {{"interactive", false}}}};
    if (!config_.cluster.empty()) info["spec"]["cluster"] = nlohmann::json::parse(config_.cluster);
    std::map<std::string, std::string> environment = environment_;
    for (const auto& [name, value] : config_.env) environment[name] = value;
    environment["KUBERNETES_EXEC_INFO"] = dump_json(info);
    ProcessOptions options;
    options.timeout = kTimeout;
    options.command = {config_.command};
    options.command.insert(options.command.end(), config_.args.begin(), config_.args.end());
    for (const auto& [name, value] : environment) options.environment.push_back(name + "=" + value);
    options.on_error_line = [command = config_.command](std::string_view line) {
        log::warn("exec", "the credential plugin says", {{"command", command}, {"line", line}});
    };
    return options;
}

Error ExecCredentials::explain(const Error& error) const {
    Error explained = error;
    explained.message = "credential plugin: " + error.message;
    if (error.kind == ErrorKind::config && !config_.install_hint.empty()) {
        explained.message += ". " + one_line(config_.install_hint);
    }
    return explained;
}

void ExecCredentials::count(const Result<ProcessResult>& result) {
    if (observer_ == nullptr) return;
    if (result) {
        observer_->on_exec_call(result->exit_code, result->exit_code == 0 ? "no_error" : "plugin_execution_error");
    } else if (result.error().kind == ErrorKind::config) {
        observer_->on_exec_call(1, "plugin_not_found_error");
    } else if (result.error().kind != ErrorKind::cancelled) {
        observer_->on_exec_call(1, "client_internal_error");
    }
}

asio::awaitable<ExecCredentials::Answer> ExecCredentials::run(std::stop_token stop) {
    if (config_.needs_terminal) {
        co_return fail(ErrorKind::config, "credential plugin: " + config_.command +
                                              " needs a terminal (interactiveMode: Always), and there is none");
    }
    const auto result = co_await runner_->run(process(), std::move(stop));
    count(result);
    if (!result) co_return std::unexpected(explain(result.error()));
    if (result->exit_code != 0) {
        co_return fail(ErrorKind::unauthorized, "credential plugin: executable " + config_.command +
                                                    " failed with exit code " + std::to_string(result->exit_code));
    }
    auto credential = parse_exec_credential(result->output, config_.api_version);
    if (!credential) {
        co_return fail(ErrorKind::malformed,
                       "credential plugin: " + config_.command + " " + credential.error().message);
    }
    log::debug("exec", "the credential plugin answered", {{"command", config_.command}});
    co_return std::make_shared<const ExecCredential>(std::move(*credential));
}

}  // namespace kube
