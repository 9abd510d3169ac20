#include "kube/base/log.hpp"
#include "kube/client/client.hpp"
#include "kube/net/certificates.hpp"
#include "kube/net/tls.hpp"
#include "tests/model/api_server.hpp"
#include "tests/model/kubeconfig.hpp"
#include "tests/model/kubelet_driver.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <signal.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace asio = boost::asio;

namespace {

constexpr kube::Duration kCertificateLife = std::chrono::hours(24 * 7);
constexpr kube::Duration kDrain = std::chrono::milliseconds(300);

struct Options {
    std::string dir;
    unsigned short port = 0;
    bool kubelet = false;
    bool exit_with_parent = false;
    std::vector<std::string> users;
    std::vector<std::string> tokens;
    std::string webhook_client_cert;
    std::string webhook_client_key;
    int run_time_ms = 2000;
    int start_delay_ms = 100;
    std::string log_level = "warn";
};

/// NAME[:group,group].
model::UserInfo parse_user(const std::string& text) {
    model::UserInfo user;
    const std::size_t colon = text.find(':');
    user.name = text.substr(0, colon);
    if (colon == std::string::npos) return user;
    for (std::string& group : model::split(text.substr(colon + 1), ',')) {
        if (!group.empty()) user.groups.push_back(std::move(group));
    }
    return user;
}

kube::Result<void> write_file(const std::string& path, const std::string& content) {
    const mode_t before = umask(077);  // it holds a private key
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    umask(before);
    out << content;
    out.close();
    if (!out) return kube::fail(kube::ErrorKind::config, "cannot write " + path);
    return {};
}

kube::Result<std::string> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream content;
    if (!(content << in.rdbuf())) return kube::fail(kube::ErrorKind::config, "cannot read " + path);
    return content.str();
}

class Program {
  public:
    explicit Program(Options options)
        : options_(std::move(options)), clock_(kube::make_system_clock(io_.get_executor())) {}

    int run();

  private:
    kube::Result<void> start();
    kube::Result<void> write_kubeconfig(const model::UserInfo& user, const std::string& file);
    kube::Result<kube::KeyPair> client_certificate(const model::UserInfo& user);
    kube::Result<model::TransportFactory> webhook_transports();
    kube::Result<void> start_kubelet();
    asio::awaitable<void> serve();
    asio::awaitable<void> run_kubelet();
    asio::awaitable<void> compact_on(asio::signal_set& signals);

    Options options_;
    asio::io_context io_{1};
    std::unique_ptr<kube::Clock> clock_;
    std::stop_source stop_;
    kube::KeyPair ca_;
    std::shared_ptr<const kube::TlsServerContext> tls_;
    std::unique_ptr<model::ApiServer> api_;
    std::unique_ptr<kube::HttpServer> http_;
    std::unique_ptr<kube::Client> client_;
    std::unique_ptr<model::KubeletDriver> kubelet_;
};

kube::Result<kube::KeyPair> Program::client_certificate(const model::UserInfo& user) {
    kube::LeafOptions leaf;
    leaf.common_name = user.name;
    leaf.organizations = user.groups;
    leaf.server = false;
    leaf.client = true;
    return kube::issue_certificate(ca_, leaf, clock_->now(), kCertificateLife);
}

/// TCP and TLS; with a client certificate, as kube-apiserver has one by its AdmissionConfiguration.
kube::Result<model::TransportFactory> Program::webhook_transports() {
    if (options_.webhook_client_cert.empty()) return model::TransportFactory();
    const auto certificate = read_file(options_.webhook_client_cert);
    if (!certificate) return std::unexpected(certificate.error());
    const auto key = read_file(options_.webhook_client_key);
    if (!key) return std::unexpected(key.error());
    return [this, certificate = *certificate, key = *key](const std::string& host, unsigned short port,
                                                          kube::TlsClientConfig tls) {
        tls.certificate_pem = certificate;
        tls.key_pem = key;
        return kube::make_tcp_transport(io_.get_executor(), *clock_, host, port, std::move(tls));
    };
}

kube::Result<void> Program::write_kubeconfig(const model::UserInfo& user, const std::string& file) {
    const auto certificate = client_certificate(user);
    if (!certificate) return std::unexpected(certificate.error());
    const std::string server = "https://127.0.0.1:" + std::to_string(http_->port());
    return write_file(options_.dir + "/" + file + ".kubeconfig",
                      model::kubeconfig(server, ca_.certificate_pem, user.name, *certificate));
}

kube::Result<void> Program::start() {
    std::error_code code;
    std::filesystem::create_directories(options_.dir, code);
    if (code) return kube::fail(kube::ErrorKind::config, "cannot create " + options_.dir + ": " + code.message());
    auto ca = kube::make_certificate_authority("endoscope-model-ca", clock_->now(), kCertificateLife);
    if (!ca) return std::unexpected(ca.error());
    ca_ = std::move(*ca);
    kube::LeafOptions leaf;
    leaf.common_name = "kube-apiserver-model";
    leaf.dns_names = {"localhost", "kubernetes", "kubernetes.default.svc"};
    leaf.ip_addresses = {"127.0.0.1", "::1"};
    const auto certificate = kube::issue_certificate(ca_, leaf, clock_->now(), kCertificateLife);
    if (!certificate) return std::unexpected(certificate.error());
    kube::TlsServerConfig tls;
    tls.certificate_pem = certificate->certificate_pem;
    tls.key_pem = certificate->key_pem;
    tls.client_ca_pem = ca_.certificate_pem;
    auto context = kube::make_tls_server_context(tls);
    if (!context) return std::unexpected(context.error());
    tls_ = std::move(*context);
    auto listener =
        kube::make_tcp_listener(io_.get_executor(), *clock_, "127.0.0.1", options_.port, [this] { return tls_; });
    if (!listener) return std::unexpected(listener.error());

    model::ApiServerSettings settings;
    settings.seed = static_cast<std::uint64_t>(clock_->now().time_since_epoch().count());
    for (const std::string& text : options_.tokens) {
        const std::size_t equal = text.find('=');
        if (equal == std::string::npos)
            return kube::fail(kube::ErrorKind::config, "--token needs TOKEN=USER[:group,...]");
        settings.tokens[text.substr(0, equal)] = parse_user(text.substr(equal + 1));
    }
    auto transports = webhook_transports();
    if (!transports) return std::unexpected(transports.error());
    settings.transports = std::move(*transports);
    api_ = std::make_unique<model::ApiServer>(io_.get_executor(), *clock_, std::move(settings));
    http_ = std::make_unique<kube::HttpServer>(io_.get_executor(), *clock_, std::move(*listener), api_->handler());

    model::UserInfo admin;
    admin.name = "admin";
    admin.groups = {"system:masters"};
    if (auto done = write_kubeconfig(admin, "admin"); !done) return done;
    if (auto done = write_file(options_.dir + "/ca.crt", ca_.certificate_pem); !done) return done;
    for (const std::string& text : options_.users) {
        const model::UserInfo user = parse_user(text);
        if (user.name.empty() || user.name.find('/') != std::string::npos) {
            return kube::fail(kube::ErrorKind::config, "--user needs NAME[:group,...], and a file is named after it");
        }
        if (auto done = write_kubeconfig(user, user.name); !done) return done;
    }
    return options_.kubelet ? start_kubelet() : kube::Result<void>();
}

kube::Result<void> Program::start_kubelet() {
    model::UserInfo identity;
    identity.name = "system:node:model-node";
    identity.groups = {"system:masters"};
    const auto certificate = client_certificate(identity);
    if (!certificate) return std::unexpected(certificate.error());
    kube::TlsClientConfig trust;
    trust.ca_pem = ca_.certificate_pem;
    trust.certificate_pem = certificate->certificate_pem;
    trust.key_pem = certificate->key_pem;
    auto transport = kube::make_tcp_transport(io_.get_executor(), *clock_, "127.0.0.1", http_->port(), trust);
    if (!transport) return std::unexpected(transport.error());
    kube::ClientOptions options;
    options.user_agent = "pretend-kubelet";
    options.field_manager = "pretend-kubelet";
    client_ = std::make_unique<kube::Client>(std::move(*transport), *clock_, options);
    model::KubeletSettings settings;
    settings.default_run_time = std::chrono::milliseconds(options_.run_time_ms);
    settings.start_delay = std::chrono::milliseconds(options_.start_delay_ms);
    kubelet_ = std::make_unique<model::KubeletDriver>(io_.get_executor(), *clock_, *client_, settings);
    return {};
}

asio::awaitable<void> Program::serve() {
    co_await http_->run(stop_.get_token(), kDrain);
    co_await api_->join();
}

asio::awaitable<void> Program::run_kubelet() {
    co_await kubelet_->run(stop_.get_token());
}

asio::awaitable<void> Program::compact_on(asio::signal_set& signals) {
    while (true) {
        const auto [code, number] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
        if (code) co_return;
        model::Storage& storage = api_->cluster().storage;
        storage.compact(storage.version());
    }
}

int Program::run() {
    if (auto started = start(); !started) {
        std::cerr << "model-apiserver: " << started.error().message << '\n';
        return 1;
    }
    asio::signal_set signals(io_, SIGINT, SIGTERM);
    signals.async_wait([this](const boost::system::error_code& code, int) {
        if (!code) stop_.request_stop();
    });
    asio::signal_set compactions(io_, SIGUSR1);
    asio::co_spawn(io_, compact_on(compactions), asio::detached);
    int running = 1;
    const auto ended = [this, &running, &signals, &compactions](const std::exception_ptr& failure) {
        if (failure) stop_.request_stop();
        if (--running == 0) {
            signals.cancel();
            compactions.cancel();
            kubelet_.reset();
            client_.reset();  // with its idle connections
        }
    };
    asio::co_spawn(io_, serve(), ended);
    if (kubelet_) {
        ++running;
        asio::co_spawn(io_, run_kubelet(), ended);
    }
    asio::post(io_, [] { std::cout << "ready" << std::endl; });
    io_.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{"A test double of kube-apiserver for Endoscope's tests and demo. Not a Kubernetes API server."};
    app.add_option("--dir", options.dir, "where the certificates' CA and the kubeconfigs are written")->required();
    app.add_option("--port", options.port, "port on 127.0.0.1; 0 = any free one")->capture_default_str();
    app.add_flag("--kubelet", options.kubelet, "run the pretend kubelet: Pods start, containers end");
    app.add_flag("--exit-with-parent", options.exit_with_parent, "end when the process that started this one ends");
    app.add_option("--user", options.users, "NAME[:group,...]: writes DIR/NAME.kubeconfig (repeatable)");
    app.add_option("--token", options.tokens, "TOKEN=USER[:group,...]: accepts a bearer token (repeatable)");
    auto* const certificate = app.add_option("--webhook-client-cert", options.webhook_client_cert,
                                             "PEM file: the client certificate that webhooks are called with");
    app.add_option("--webhook-client-key", options.webhook_client_key, "PEM file: its private key")->needs(certificate);
    app.add_option("--run-time-ms", options.run_time_ms,
                   "how long a debug container runs when its command does not say")
        ->capture_default_str();
    app.add_option("--start-delay-ms", options.start_delay_ms, "from seen to running")->capture_default_str();
    app.add_option("--log-level", options.log_level, "debug, info, warn or error")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    if (options.exit_with_parent) {
        const pid_t parent = getppid();
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent || parent == 1) return 0;  // it ended before the request took effect
    }
    using kube::log::Level;
    const Level level = options.log_level == "debug"   ? Level::debug
                        : options.log_level == "info"  ? Level::info
                        : options.log_level == "error" ? Level::error
                                                       : Level::warn;
    kube::log::configure(kube::log::Format::text, level);
    try {
        return Program(std::move(options)).run();
    } catch (const std::exception& exception) {
        std::cerr << "model-apiserver: " << exception.what() << '\n';
        return 1;
    }
}
