#include "kube/base/yaml.hpp"
#include "kube/client/exec_credentials.hpp"
#include "kube/client/kubeconfig.hpp"
#include "kube/net/url.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace endoscope::fuzz {
namespace {

/// The input is every file there is; nothing else can be read.
kube::ConfigSources sources_of(const std::string& text) {
    kube::ConfigSources sources;
    sources.environment = {{"HTTPS_PROXY", "proxy:3128"}, {"NO_PROXY", text.substr(0, 100)}};
    sources.read_file = [text](const std::string& path) -> kube::Result<std::string> {
        if (path == "/k/config" || path == "/k/pem") return text;
        return kube::fail(kube::ErrorKind::config, "cannot read a file");
    };
    sources.exists = [](const std::string&) { return true; };
    return sources;
}

void check_error(const kube::Error& error) {
    require(error.kind == kube::ErrorKind::config, "an error is one of the configuration");
    require(!error.message.empty(), "an error has a message");
}

void check_config(const kube::Config& config) {
    require(!config.host.empty() && config.port != 0, "a configuration names a server");
    require(!config.path_prefix.ends_with('/'), "a path prefix does not end with a slash");
    require(config.certificate_file.empty() == config.key_file.empty(), "certificate and key rotate together");
    require(config.tls.certificate_pem.empty() == config.tls.key_pem.empty(), "a certificate has its key");
    require(!config.tls.insecure || config.tls.ca_pem.empty(), "insecure and a CA exclude each other");
    require(config.ca_file.empty() || !config.tls.ca_pem.empty(), "a CA file is never empty");
    const bool other = !config.token.empty() || !config.username.empty() || !config.password.empty();
    require(!config.exec || !other, "a plugin stands alone");
    require(!config.exec || !config.exec->command.empty(), "a plugin has a command");
    require(config.tls_enabled || (!other && !config.exec && config.token_file.empty()),
            "no credentials over plain text");
    if (config.proxy) require(kube::parse_proxy(config.proxy->url()).has_value(), "a proxy's URL can be read again");
}

}  // namespace
}  // namespace endoscope::fuzz

/// The input: a kubeconfig, YAML or JSON. It is read as an answer of a credential plugin, too.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    const std::string text(text_of(data, size));
    const auto sources = sources_of(text);
    for (const std::vector<std::string>& files : {std::vector<std::string>{"/k/config"}, {"/k/config", "/k/config"}}) {
        const auto read = kube::read_kubeconfigs(files, sources);
        if (!read) {
            check_error(read.error());
            require(read.error().message.contains("/k/config"), "an error names the file");
            continue;
        }
        for (const std::string context : {"", "dev"}) {
            const auto config = kube::resolve_context(*read, context, "kubeconfig /k/config", sources);
            if (config) check_config(*config);
            if (!config) check_error(config.error());
        }
    }
    const auto credential = kube::parse_exec_credential(text, "client.authentication.k8s.io/v1");
    if (credential) require(!credential->token.empty() || !credential->key_pem.empty(), "an answer holds something");
    for (const std::string& address : {text, "https://" + text, "https://h/" + text}) {
        const auto url = kube::parse_url(address);
        if (url) require(!url->host.empty(), "a URL has a host");
    }
    return 0;
}
