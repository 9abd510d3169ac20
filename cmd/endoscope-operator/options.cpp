#include "options.hpp"

#include "cmd/unknown_command.hpp"
#include "kube/net/url.hpp"

#include <CLI/CLI.hpp>

#include <cctype>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <optional>

namespace endoscope::cmd {

namespace {

std::optional<BindAddress> parse_bind(const std::string& text, const std::string& default_host) {
    if (text == "0") return BindAddress{.host = default_host, .port = 0, .enabled = false};
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) return std::nullopt;
    BindAddress address{.host = text.substr(0, colon)};
    if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
        address.host = address.host.substr(1, address.host.size() - 2);
    }
    if (address.host.empty()) address.host = default_host;
    const std::string port = text.substr(colon + 1);
    const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (port.empty() || code != std::errc() || end != port.data() + port.size()) return std::nullopt;
    return address;
}

/// The texts of flags before they are checked.
struct Raw {
    std::string metrics;
    std::string health = ":8081";
    std::string log_format;
    std::string log_level = "info";
    bool metrics_secure = true;
    std::string lease_duration = "15s";
    std::string renew_deadline = "10s";
    std::string retry_period = "2s";
    std::string sync_period = "0s";
    std::string retain_finished = "0s";
    std::string seal_key_rotation = "720h";
    std::string seal_key_retention = "24h";
    std::string seal_key_refresh = "30s";
    std::string shutdown_delay;
    std::string shutdown_timeout = "30s";
    std::string webhook_ca_lifetime = "8760h";
    std::string webhook_certificate_lifetime = "168h";
};

/// Hours, minutes, seconds or milliseconds, as in "15s"; nothing when it is no such text.
std::optional<kube::Duration> read_duration(const std::string& text) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [unit, code] = std::from_chars(text.data(), end, number);
    const std::string_view word(unit, end);
    if (code != std::errc() || number < 0 || number > 86400000) return std::nullopt;
    if (word == "ms") return std::chrono::milliseconds(number);
    if (word == "s" || text == "0") return std::chrono::seconds(number);
    if (word == "m") return std::chrono::minutes(number);
    if (word == "h" && number <= 1000000) return std::chrono::hours(number);
    return std::nullopt;
}

kube::Duration parse_duration(const char* flag, const std::string& text,
                              std::chrono::hours most = std::chrono::hours(24)) {
    const auto duration = read_duration(text);
    if (!duration || *duration > most) {
        throw CLI::ValidationError(flag, "must be a duration such as 15s or 500ms, at most " +
                                             std::to_string(most.count()) + "h, not " + text);
    }
    return *duration;
}

kube::Duration parse_positive_duration(const char* flag, const std::string& text) {
    const auto duration = parse_duration(flag, text);
    if (duration == kube::Duration::zero()) throw CLI::ValidationError(flag, "must be longer than " + text);
    return duration;
}

/// Of a certificate: years are counted in hours.
kube::Duration parse_lifetime(const char* flag, const std::string& text) {
    const auto duration = read_duration(text);
    if (!duration || *duration > std::chrono::hours(24 * 365 * 10)) {
        throw CLI::ValidationError(flag, "must be a duration such as 720h, at most 87600h, not " + text);
    }
    return *duration;
}

/// --webhook-port can be given as ENDOSCOPE_WEBHOOK_PORT.
void give_environment_twins(CLI::App& app) {
    for (CLI::Option* const option : app.get_options()) {
        if (option->get_lnames().empty() || option->get_lnames().front() == "help") continue;
        std::string name = "ENDOSCOPE_" + option->get_lnames().front();
        for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        // Of a Service endoscope-webhook the kubelet makes ENDOSCOPE_WEBHOOK_PORT=tcp://..., which is no flag of ours.
        const char* const value = std::getenv(name.c_str());
        if (value != nullptr && std::string_view(value).starts_with("tcp://")) continue;
        option->envname(name);
    }
}

/// "--a=1 --b=2" of every flag as it holds now.
std::string effective_flags(const CLI::App& app) {
    std::string text;
    for (const CLI::Option* const option : app.get_options()) {
        if (option->get_lnames().empty() || option->get_lnames().front() == "help") continue;
        if (!text.empty()) text += ' ';
        text.append("--").append(option->get_lnames().front()).push_back('=');
        text += option->count() > 0 ? option->results().back() : option->get_default_str();
    }
    return text;
}

void add_operator_flags(CLI::App& app, Options& options, Raw& raw, bool dev) {
    raw.metrics = dev ? "127.0.0.1:8080" : ":8443";
    raw.log_format = dev ? "text" : "json";
    raw.metrics_secure = !dev;
    raw.shutdown_delay = dev ? "0s" : "3s";
    app.add_option("--kubeconfig", options.kubeconfig,
                   "kubeconfig file; default: $KUBECONFIG, then in-cluster, then ~/.kube/config");
    app.add_option("--context", options.context, "context of the kubeconfig; default: its current one");
    app.add_option("--namespace", options.ns, "the operator's own namespace")->capture_default_str();
    app.add_flag("--leader-elect,!--no-leader-elect", options.leader_elect,
                 "hold a Lease, so that of several replicas one reconciles; all serve the webhooks");
    app.add_option("--leader-elect-resource-name", options.lease_name, "name of the Lease, in the own namespace")
        ->capture_default_str();
    app.add_option("--leader-elect-lease-duration", raw.lease_duration, "how long others wait for a silent leader")
        ->capture_default_str();
    app.add_option("--leader-elect-renew-deadline", raw.renew_deadline, "how long a leader tries to renew")
        ->capture_default_str();
    app.add_option("--leader-elect-retry-period", raw.retry_period, "between two attempts")->capture_default_str();
    app.add_option("--metrics-bind-address", raw.metrics, "address of /metrics, 0 disables it")->capture_default_str();
    app.add_option("--metrics-secure", raw.metrics_secure, "serve metrics by HTTPS to authorised callers only")
        ->capture_default_str();
    app.add_option("--metrics-cert-dir", options.metrics_cert_dir,
                   "directory with tls.crt and tls.key of the metrics; default: a self-signed certificate");
    app.add_option("--health-probe-bind-address", raw.health, "address of /healthz and /readyz, 0 disables it")
        ->capture_default_str();
    app.add_option("--webhook-port", options.webhook_port, "port of the admission webhooks; 0 takes any")
        ->capture_default_str();
    app.add_option("--webhook-cert-dir", options.webhook_cert_dir,
                   "directory with tls.crt and tls.key of the webhooks; default: a certificate authority of our own");
    app.add_option("--webhook-ca-lifetime", raw.webhook_ca_lifetime, "life of the own certificate authority")
        ->capture_default_str();
    app.add_option("--webhook-certificate-lifetime", raw.webhook_certificate_lifetime,
                   "life of the certificates that the own authority issues, renewed when two thirds are over")
        ->capture_default_str();
    app.add_option("--webhook-url", options.webhook_url,
                   "https://host[:port] where the API server calls the webhooks, when not by the Service");
    app.add_option("--webhook-client-ca-file", options.webhook_client_ca_file,
                   "CA certificates: whoever calls the webhooks must show a client certificate of one of them");
    app.add_option("--webhook-client-name", options.webhook_client_name,
                   "common name or DNS name that the client certificate must have; default: any");
    app.add_flag("--deny-at-admission,!--no-deny-at-admission", options.deny_at_admission,
                 "refuse at kubectl apply what is denied whatever the Pod; else it is admitted and recorded as Denied");
    app.add_option("--max-concurrent-reconciles", options.max_concurrent_reconciles, "requests reconciled side by side")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app.add_option("--kube-api-qps", options.kube_api_qps, "requests a second to the API server, 0 for no limit")
        ->check(CLI::Range(0.0, 100000.0))
        ->capture_default_str();
    app.add_option("--kube-api-burst", options.kube_api_burst, "requests at once, where --kube-api-qps limits")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str();
    app.add_option("--sync-period", raw.sync_period, "look at every request again this often, 0 for never")
        ->capture_default_str();
    app.add_option("--retain-finished", raw.retain_finished,
                   "remove requests that have been over for so long and that no GitOps tool manages, 0 for never")
        ->capture_default_str();
    app.add_option("--seal-key-rotation", raw.seal_key_rotation, "how long a seal key is in use, 0 for ever")
        ->capture_default_str();
    app.add_option("--seal-key-retention", raw.seal_key_retention, "how long an earlier seal key is accepted")
        ->capture_default_str();
    app.add_option(
           "--seal-key-refresh", raw.seal_key_refresh,
           "how often each replica reads the seal keys; a new one is in use three times as long after it was made")
        ->capture_default_str();
    app.add_option("--shutdown-delay", raw.shutdown_delay, "how long webhooks are still served after a SIGTERM")
        ->capture_default_str();
    app.add_option("--shutdown-timeout", raw.shutdown_timeout, "how long an orderly end may take after a SIGTERM")
        ->capture_default_str();
    app.add_option("--log-format", raw.log_format, "json or text")
        ->check(CLI::IsMember({"json", "text"}))
        ->capture_default_str();
    app.add_option("--log-level", raw.log_level, "debug, info, warn or error")
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
        ->capture_default_str();
}

void take_webhooks(Options& options, const Raw& raw) {
    options.webhook_times = {
        .ca_lifetime = parse_lifetime("--webhook-ca-lifetime", raw.webhook_ca_lifetime),
        .leaf_lifetime = parse_lifetime("--webhook-certificate-lifetime", raw.webhook_certificate_lifetime)};
    if (const auto valid = kube::validate(options.webhook_times); !valid) {
        throw CLI::ValidationError("--webhook-certificate-lifetime", valid.error().message);
    }
    if (!options.webhook_url.empty()) {
        const auto url = kube::parse_url(options.webhook_url);
        if (!url || url->scheme != "https" || !url->user.empty() || !url->path.empty() ||
            options.webhook_url.find_first_of("?#") != std::string::npos) {
            throw CLI::ValidationError("--webhook-url", "must be https://host or https://host:port");
        }
    }
    if (!options.webhook_client_name.empty() && options.webhook_client_ca_file.empty()) {
        throw CLI::ValidationError("--webhook-client-name", "is of no use without --webhook-client-ca-file");
    }
}

void take(Options& options, const Raw& raw) {
    const auto metrics = parse_bind(raw.metrics, "0.0.0.0");
    if (!metrics)
        throw CLI::ValidationError("--metrics-bind-address", "must be host:port, :port or 0, not " + raw.metrics);
    const auto health = parse_bind(raw.health, "0.0.0.0");
    if (!health)
        throw CLI::ValidationError("--health-probe-bind-address", "must be host:port, :port or 0, not " + raw.health);
    options.metrics = *metrics;
    options.health = *health;
    options.metrics_secure = raw.metrics_secure;
    options.log_format = raw.log_format == "json" ? kube::log::Format::json : kube::log::Format::text;
    options.log_level = raw.log_level == "debug"   ? kube::log::Level::debug
                        : raw.log_level == "warn"  ? kube::log::Level::warn
                        : raw.log_level == "error" ? kube::log::Level::error
                                                   : kube::log::Level::info;
    options.lease_times = {
        .lease = parse_positive_duration("--leader-elect-lease-duration", raw.lease_duration),
        .renew_deadline = parse_positive_duration("--leader-elect-renew-deadline", raw.renew_deadline),
        .retry_period = parse_positive_duration("--leader-elect-retry-period", raw.retry_period)};
    if (const auto valid = kube::validate(options.lease_times); !valid) {
        throw CLI::ValidationError("--leader-elect-lease-duration", valid.error().message);
    }
    options.sync_period = parse_duration("--sync-period", raw.sync_period);
    options.retain_finished =
        parse_duration("--retain-finished", raw.retain_finished, std::chrono::hours(24 * 365 * 10));
    constexpr std::chrono::hours kYear(8760);
    options.seal_keys = {.rotation = parse_duration("--seal-key-rotation", raw.seal_key_rotation, kYear),
                         .retention = parse_duration("--seal-key-retention", raw.seal_key_retention, kYear),
                         .refresh = parse_duration("--seal-key-refresh", raw.seal_key_refresh)};
    if (const auto problem = controller::validate(options.seal_keys); !problem.empty()) {
        throw CLI::ValidationError("seal keys", problem);
    }
    options.shutdown_delay = parse_duration("--shutdown-delay", raw.shutdown_delay);
    options.shutdown_timeout = parse_positive_duration("--shutdown-timeout", raw.shutdown_timeout);
    if (options.shutdown_delay >= options.shutdown_timeout) {
        throw CLI::ValidationError("--shutdown-delay", "must be shorter than --shutdown-timeout");
    }
    if (!options.metrics_cert_dir.empty() && !options.metrics_secure) {
        throw CLI::ValidationError("--metrics-cert-dir", "is of no use without --metrics-secure");
    }
    take_webhooks(options, raw);
}

}  // namespace

ParsedOptions parse_options(int argc, const char* const* argv) {
    ParsedOptions parsed;
    Options& options = parsed.options;
    Raw run_raw;
    Raw dev_raw;
    CLI::App app("Endoscope: debugging a running Pod as a declared, authorised, recorded act", "endoscope-operator");
    app.set_version_flag("--version", std::string("endoscope-operator ") + ENDOSCOPE_VERSION);
    app.require_subcommand(1);
    CLI::App& run = *app.add_subcommand("run", "Run in a cluster whose CRDs and webhook configurations are installed");
    add_operator_flags(run, options, run_raw, false);
    CLI::App& dev = *app.add_subcommand(
        "dev",
        "Install CRDs and webhooks that point at this process, then run; prints ready; SIGTERM removes the webhooks");
    add_operator_flags(dev, options, dev_raw, true);
    dev.add_flag("--fence", options.fence,
                 "also install ValidatingAdmissionPolicies that let only this process add debug containers; SIGTERM "
                 "removes them");
    for (CLI::App* const verb : {&run, &dev}) give_environment_twins(*verb);
    CLI::App& manifests = *app.add_subcommand("manifests", "Print what dev would install, as YAML");
    manifests.add_option("what", options.manifests_what, "crds or all")
        ->check(CLI::IsMember({"crds", "all"}))
        ->capture_default_str();
    manifests.add_flag("--fence", options.fence,
                       "also print the ValidatingAdmissionPolicies that let only Endoscope add debug containers");
    if (const auto message = unknown_command(app, argc, argv)) {
        std::cerr << "error: " << *message << '\n';
        parsed.exit = true;
        parsed.exit_code = 2;
        return parsed;
    }
    try {
        app.parse(argc, argv);
        if (run.parsed()) take(options, run_raw);
        if (dev.parsed()) take(options, dev_raw);
    } catch (const CLI::ParseError& error) {
        parsed.exit = true;
        parsed.exit_code = app.exit(error) == 0 ? 0 : 2;
        return parsed;
    }
    options.effective = effective_flags(dev.parsed() ? dev : run);
    options.verb = dev.parsed() ? Verb::dev : manifests.parsed() ? Verb::manifests : Verb::run;
    return parsed;
}

}  // namespace endoscope::cmd
