#include "kube/client/config.hpp"

#include "kube/base/base64.hpp"
#include "kube/client/kubeconfig.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kube {
namespace {

/// Files and environment that exist only in the test.
struct World {
    std::map<std::string, std::string> files;
    ConfigSources sources() const {
        ConfigSources sources;
        sources.environment = environment;
        sources.read_file = [this](const std::string& path) -> Result<std::string> {
            const auto found = files.find(path);
            if (found == files.end())
                return fail(ErrorKind::config, "cannot read " + path + ": No such file or directory");
            return found->second;
        };
        sources.exists = [this](const std::string& path) { return files.contains(path); };
        return sources;
    }
    std::map<std::string, std::string> environment;
};

const char* const kDev = R"(
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev
  cluster: {server: "https://dev.example:6443/prefix/", certificate-authority: pki/ca.crt, tls-server-name: api}
users:
- name: me
  user: {client-certificate-data: "Y2V\nydA==\n", client-key: /abs/key, token: t0ken}
contexts:
- name: dev
  context: {cluster: dev, user: me, namespace: team}
)";

World dev_world() {
    World world;
    world.files = {{"/home/me/dev", kDev}, {"/home/me/pki/ca.crt", "CA"}, {"/abs/key", "KEY"}};
    return world;
}

TEST(Kubeconfig, IsReadWithFilesBesideItAndInlineData) {
    const World world = dev_world();
    const auto config = load_config("/home/me/dev", "", world.sources());
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->host, "dev.example");
    EXPECT_EQ(config->port, 6443);
    EXPECT_EQ(config->path_prefix, "/prefix");
    EXPECT_EQ(config->tls.ca_pem, "CA");
    EXPECT_EQ(config->tls.certificate_pem, "cert");
    EXPECT_EQ(config->tls.key_pem, "KEY");
    EXPECT_EQ(config->tls.server_name, "api");
    EXPECT_EQ(config->token, "t0ken");
    EXPECT_EQ(config->default_namespace, "team");
    EXPECT_TRUE(config->source.contains("context dev"));
}

TEST(Kubeconfig, TheFirstFileThatDefinesANameWins) {
    World world = dev_world();
    world.files["/second"] =
        R"({"current-context":"other","clusters":[{"name":"dev","cluster":{"server":"https://evil:1"}},
      {"name":"two","cluster":{"server":"https://two:2"}}],"users":null,"contexts":[{"name":"other","context":{"cluster":"two"}}]})";
    world.environment["KUBECONFIG"] = "/missing:/home/me/dev::/second:/home/me/dev";
    const auto first = load_config("", "", world.sources());
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->host, "dev.example");
    const auto other = load_config("", "other", world.sources());
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(other->host, "two");
    EXPECT_EQ(other->token, "");
}

TEST(Kubeconfig, ErrorsNameWhatIsWrong) {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"{", "line"},
        {"{},", "line 1"},
        {"[1]", "not a mapping"},
        {"", "no current-context"},
        {"current-context: x", "context \"x\" does not exist"},
        {"{current-context: x, contexts: [{name: x, context: {cluster: c}}]}", "cluster \"c\""},
        {"{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: "
         "{server: 'https://h'}}]}",
         "user \"u\""},
        {"{current-context: x, contexts: [{name: x, context: {cluster: c}}], clusters: [{name: c}]}",
         "no server found for cluster \"c\""},
    };
    for (const auto& [text, expected] : rows) {
        World world;
        world.files["/k"] = text;
        const auto config = load_config("/k", "", world.sources());
        ASSERT_FALSE(config) << text;
        EXPECT_EQ(config.error().kind, ErrorKind::config);
        EXPECT_TRUE(config.error().message.contains(expected)) << config.error().message;
    }
    EXPECT_TRUE(load_config("/nowhere", "", World().sources()).error().message.contains("/nowhere"));
    EXPECT_TRUE(load_config("", "", World().sources()).error().message.contains("--kubeconfig"));
    World none;
    none.environment["KUBECONFIG"] = "/a:/b";
    EXPECT_TRUE(load_config("", "", none.sources()).error().message.contains("/a:/b"));
}

std::string with(const std::string& cluster, const std::string& user) {
    return "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: [{name: c, "
           "cluster: " +
           cluster + "}], users: [{name: u, user: " + user + "}]}";
}

TEST(Kubeconfig, WhatIsNotSupportedIsRefusedAndCredentialsAreNeverQuoted) {
    const std::string server = "{server: 'https://h'}";
    const std::vector<std::pair<std::string, std::string>> rows = {
        {with(server, "{auth-provider: {name: gcp, config: {access-token: hunter2}}}"), "auth-provider"},
        {with("{server: 'ftp://h'}", "{}"), "https://"},
        {with("{server: 'https://h:99999'}", "{}"), "port"},
        {with("{server: 'https://h', certificate-authority-data: '*'}", "{}"), "base64"},
        {with("{server: 'https://h', certificate-authority: /none}", "{}"), "/none"},
        {with("{server: 'https://h', insecure-skip-tls-verify: true, certificate-authority-data: Q0E=}", "{}"),
         "exclude"},
        {with(server, "{client-certificate-data: Y2VydA==}"), "together"},
    };
    for (const auto& [text, expected] : rows) {
        World world;
        world.files["/k"] = text;
        const auto config = load_config("/k", "", world.sources());
        ASSERT_FALSE(config) << text;
        EXPECT_TRUE(config.error().message.contains(expected)) << config.error().message;
        EXPECT_FALSE(config.error().message.contains("hunter2"));
    }
}

TEST(Kubeconfig, ToleratesEmptyUsersAndUnknownKeys) {
    for (const char* user : {"null", "''", "{}", "{exec: null, unknown: 1}"}) {
        World world;
        world.files["/k"] = with("{server: 'https://[::1]:6443', future: {a: 1}}", user);
        const auto config = load_config("/k", "", world.sources());
        ASSERT_TRUE(config) << user << ": " << config.error().message;
        EXPECT_EQ(config->host, "::1");
    }
}

/// The configuration of a kubeconfig with one cluster and one user.
Result<Config> load(const std::string& cluster, const std::string& user, World world = {}) {
    world.files["/dir/k"] = with(cluster, user);
    return load_config("/dir/k", "", world.sources());
}

std::string error_of(const std::string& cluster, const std::string& user, World world = {}) {
    const auto config = load(cluster, user, std::move(world));
    return config ? "no error" : config.error().message;
}

const std::string kServer = "{server: 'https://h'}";

TEST(Kubeconfig, DataAndFileTogetherAreAnError) {
    World world;
    world.files = {{"/f", "PEM"}};
    for (const char* key : {"client-certificate", "client-key"}) {
        const std::string user = std::string("{") + key + ": /f, " + key + "-data: UEVN}";
        EXPECT_EQ(error_of(kServer, user, world),
                  "user \"u\": " + std::string(key) + " and " + key + "-data are both given; remove one");
    }
    EXPECT_TRUE(
        error_of("{server: 'https://h', certificate-authority: /f, certificate-authority-data: UEVN}", "{}", world)
            .contains("both given"));
}

TEST(Kubeconfig, AnEmptyCaFileIsAnErrorAndNotTheSystemsRoots) {
    World world;
    world.files = {{"/empty", ""}};
    EXPECT_EQ(error_of("{server: 'https://h', certificate-authority: /empty}", "{}", world),
              "cluster \"c\": certificate-authority: /empty is empty");
}

TEST(Kubeconfig, FilesThatRotateAreRememberedAndInlineDataIsNot) {
    World world;
    world.files = {{"/dir/ca", "CA"}, {"/dir/crt", "CRT"}, {"/key", "KEY"}};
    const auto files = load("{server: 'https://h', certificate-authority: ca}",
                            "{client-certificate: crt, client-key: /key, tokenFile: tok, token: t}", world);
    ASSERT_TRUE(files) << files.error().message;
    EXPECT_EQ(files->ca_file, "/dir/ca");
    EXPECT_EQ(files->certificate_file, "/dir/crt");
    EXPECT_EQ(files->key_file, "/key");
    EXPECT_EQ(files->token_file, "/dir/tok");
    EXPECT_EQ(files->token, "t");
    const auto mixed = load("{server: 'https://h', certificate-authority-data: Q0E=}",
                            "{client-certificate: crt, client-key-data: S0VZ}", world);
    ASSERT_TRUE(mixed) << mixed.error().message;
    EXPECT_EQ(mixed->tls.ca_pem, "CA");
    EXPECT_EQ(mixed->tls.key_pem, "KEY");
    EXPECT_EQ(mixed->ca_file + mixed->certificate_file + mixed->key_file, "");
}

TEST(Kubeconfig, ATokenFileAloneMustBeReadable) {
    EXPECT_EQ(error_of(kServer, "{tokenFile: tok}"),
              "user \"u\": tokenFile: cannot read /dir/tok: No such file or directory");
    EXPECT_TRUE(load(kServer, "{tokenFile: tok, token: t}"));
}

TEST(Kubeconfig, BasicAuthenticationAndATokenExcludeEachOther) {
    const auto basic = load(kServer, "{username: admin, password: hunter2}");
    ASSERT_TRUE(basic);
    EXPECT_EQ(basic->username + "/" + basic->password, "admin/hunter2");
    EXPECT_EQ(error_of(kServer, "{username: admin, password: hunter2, token: s3cret}"),
              "user \"u\": token and username/password exclude each other; remove one");
}

TEST(Kubeconfig, ImpersonationIsRead) {
    const auto config = load(kServer, "{as: jane, as-uid: '7', as-groups: [a, b], as-user-extra: {scopes: [x, y]}}");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->impersonate.user, "jane");
    EXPECT_EQ(config->impersonate.uid, "7");
    EXPECT_EQ(config->impersonate.groups, (std::vector<std::string>{"a", "b"}));
    ASSERT_EQ(config->impersonate.extra.size(), 1U);
    EXPECT_EQ(config->impersonate.extra[0].second, (std::vector<std::string>{"x", "y"}));
    for (const char* user : {"{as-uid: '7'}", "{as-groups: [a]}", "{as-user-extra: {k: [v]}}"}) {
        EXPECT_EQ(error_of(kServer, user),
                  "user \"u\": as-uid, as-groups and as-user-extra need a user to act as; set `as`");
    }
}

TEST(Kubeconfig, AProxyUrlBeatsTheEnvironment) {
    World world;
    world.environment = {{"HTTPS_PROXY", "http://env:1"}, {"NO_PROXY", "10.0.0.0/8"}};
    EXPECT_EQ(load("{server: 'https://h', proxy-url: 'socks5://p'}", "{}", world)->proxy->describe(),
              "socks5://p:1080");
    EXPECT_EQ(load(kServer, "{}", world)->proxy->describe(), "http://env:1");
    EXPECT_FALSE(load("{server: 'https://10.96.0.1'}", "{}", world)->proxy);
    EXPECT_EQ(error_of("{server: 'https://h', proxy-url: 'ftp://u:hunter2@p'}", "{}"),
              "cluster \"c\": proxy-url has an unsupported scheme; it must be http, https or socks5");
    world.environment["HTTPS_PROXY"] = "ftp://u:hunter2@p";
    EXPECT_EQ(error_of(kServer, "{}", world),
              "HTTPS_PROXY has an unsupported scheme; it must be http, https or socks5");
}

TEST(Kubeconfig, ExecPluginsAreRead) {
    World world;
    world.files = {{"/dir/ca", "CA"}};
    const std::string cluster =
        "{server: 'https://h:6443', certificate-authority: ca, tls-server-name: api, disable-compression: true, "
        "proxy-url: 'http://u:p@proxy', extensions: [{name: other, extension: 1}, "
        "{name: client.authentication.k8s.io/exec, extension: {audience: x}}]}";
    const auto config = load(cluster,
                             "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./get, args: [a, b], "
                             "env: [{name: K, value: v}], installHint: hint, interactiveMode: IfAvailable, "
                             "provideClusterInfo: true}}",
                             world);
    ASSERT_TRUE(config) << config.error().message;
    ASSERT_TRUE(config->exec);
    EXPECT_EQ(config->exec->command, "/dir/./get");
    EXPECT_EQ(config->exec->args, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(config->exec->env.at(0), (std::pair<std::string, std::string>("K", "v")));
    EXPECT_EQ(config->exec->install_hint, "hint");
    EXPECT_FALSE(config->exec->needs_terminal);
    EXPECT_EQ(nlohmann::json::parse(config->exec->cluster), nlohmann::json::parse(R"({"server":"https://h:6443",
        "certificate-authority-data":"Q0E=","tls-server-name":"api","disable-compression":true,
        "proxy-url":"http://u:p@proxy:80","config":{"audience":"x"}})"));
}

TEST(Kubeconfig, ExecPluginsTolerateNullsAndOldDefaults) {
    const auto config = load(kServer,
                             "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: get, args: null, "
                             "env: null}}");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->exec->command, "get") << "looked up in $PATH";
    EXPECT_TRUE(config->exec->args.empty());
    EXPECT_EQ(config->exec->cluster, "");
    EXPECT_TRUE(load(kServer, "{exec: null, token: t}"));
}

TEST(Kubeconfig, ExecPluginErrorsNameTheField) {
    const std::string v1 = "apiVersion: client.authentication.k8s.io/v1, ";
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"command: c, interactiveMode: Never", "apiVersion"},
        {"apiVersion: client.authentication.k8s.io/v1alpha1, command: c", "apiVersion"},
        {v1 + "interactiveMode: Never", "command"},
        {v1 + "command: c", "interactiveMode is missing"},
        {v1 + "command: c, interactiveMode: Sometimes", "interactiveMode must be"},
        {v1 + "command: c, interactiveMode: Never, env: [{value: v}]", "env"},
    };
    for (const auto& [fields, expected] : rows) {
        const std::string error = error_of(kServer, "{exec: {" + fields + "}}");
        EXPECT_TRUE(error.starts_with("user \"u\": exec: ") && error.contains(expected)) << error;
    }
}

TEST(Kubeconfig, ExecPluginsAreNotAskedBesideAnotherCredential) {
    World world;
    world.files = {{"/dir/tok", "t"}};
    const std::string exec =
        ", exec: {apiVersion: client.authentication.k8s.io/v1, command: c, interactiveMode: Never}}";
    for (const char* other :
         {"token: t", "tokenFile: tok", "username: u", "client-certificate-data: Y2VydA==, client-key-data: a2V5"}) {
        const auto config = load(kServer, "{" + std::string(other) + exec, world);
        ASSERT_TRUE(config) << config.error().message;
        EXPECT_FALSE(config->exec) << other;
    }
    EXPECT_TRUE(load(kServer, "{unused: 1" + exec)->exec);
}

TEST(Kubeconfig, NamespacesMustBeLabels) {
    World world;
    world.files["/k"] =
        "{current-context: x, contexts: [{name: x, context: {cluster: c, namespace: 'Not/One'}}], clusters: [{name: c, "
        "cluster: {server: 'https://h'}}]}";
    const auto config = load_config("/k", "", world.sources());
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message, "namespace of context \"x\" is not a valid name");
}

TEST(Kubeconfig, AMissingExplicitFileIsNotReplacedByAnother) {
    World world = dev_world();
    world.environment = {{"KUBECONFIG", "/home/me/dev"}, {"HOME", "/home/me"}};
    const auto config = load_config("/nowhere", "", world.sources());
    ASSERT_FALSE(config);
    EXPECT_TRUE(config.error().message.contains("/nowhere")) << config.error().message;
}

TEST(Kubeconfig, AnUnreadableFileOfTheListIsAnErrorThatNamesIt) {
    World world = dev_world();
    world.files["/broken"] = "{";
    world.environment["KUBECONFIG"] = "/home/me/dev:/broken";
    const auto config = load_config("", "", world.sources());
    ASSERT_FALSE(config);
    EXPECT_TRUE(config.error().message.contains("/broken")) << config.error().message;
}

TEST(Kubeconfig, WithoutAnyFileOfTheListTheClusterIsTried) {
    World world;
    const std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount/";
    world.environment = {
        {"KUBECONFIG", "/a:/b"}, {"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
    world.files = {{directory + "token", "t"}, {directory + "ca.crt", "CA"}};
    const auto config = load_config("", "", world.sources());
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->source, "in-cluster");
}

TEST(Kubeconfig, TheOrderIsFlagVariableClusterHome) {
    World world;
    const auto file = [](const std::string& host) {
        return "{current-context: x, contexts: [{name: x, context: {cluster: c}}], clusters: [{name: c, cluster: "
               "{server: 'https://" +
               host + "'}}]}";
    };
    const std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount/";
    world.files = {{"/flag", file("flag")},
                   {"/variable", file("variable")},
                   {"/home/.kube/config", file("home")},
                   {directory + "token", "t"},
                   {directory + "ca.crt", "CA"}};
    world.environment = {{"KUBECONFIG", "/variable"},
                         {"HOME", "/home"},
                         {"KUBERNETES_SERVICE_HOST", "cluster"},
                         {"KUBERNETES_SERVICE_PORT", "443"}};
    EXPECT_EQ(load_config("/flag", "", world.sources())->host, "flag");
    EXPECT_EQ(load_config("", "", world.sources())->host, "variable");
    world.environment["KUBECONFIG"] = "";
    EXPECT_EQ(load_config("", "", world.sources())->host, "cluster");
    world.environment["KUBERNETES_SERVICE_PORT"] = "";
    EXPECT_EQ(load_config("", "", world.sources())->host, "home");
}

TEST(InCluster, TheNamespaceOfThePodComesFirst) {
    World world;
    const std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount/";
    world.environment = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
    world.files = {{directory + "token", "t"}, {directory + "ca.crt", "CA"}};
    EXPECT_EQ(load_config("", "", world.sources())->default_namespace, "default");
    world.files[directory + "namespace"] = " file\n";
    EXPECT_EQ(load_config("", "", world.sources())->default_namespace, "file");
    world.environment["POD_NAMESPACE"] = "variable";
    EXPECT_EQ(load_config("", "", world.sources())->default_namespace, "variable");
}

TEST(InCluster, TheEnvironmentsProxyCountsUnlessTheServiceIsExcluded) {
    World world;
    const std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount/";
    world.environment = {
        {"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}, {"HTTPS_PROXY", "http://p:1"}};
    world.files = {{directory + "token", "t"}, {directory + "ca.crt", "CA"}};
    EXPECT_TRUE(load_config("", "", world.sources())->proxy);
    world.environment["NO_PROXY"] = "localhost,10.96.0.0/12";
    EXPECT_FALSE(load_config("", "", world.sources())->proxy);
}

TEST(ServerUrl, QueryAndFragmentAreDroppedAndIpv6HasBrackets) {
    Config config;
    ASSERT_TRUE(parse_server_url("https://[fd00::1]/a/b/?q=1#f", config));
    EXPECT_EQ(config.host, "fd00::1");
    EXPECT_EQ(config.port, 443);
    EXPECT_EQ(config.path_prefix, "/a/b");
    for (const char* url : {"https://", "https://[::1", "https://h:", "https://h:0", "https://h:x", "https://u:p@h",
                            "https://h h", "h:6443", "h: "}) {
        EXPECT_FALSE(parse_server_url(url, config)) << url;
    }
}

TEST(UserAgent, NamesProgramVersionAndPlatform) {
    EXPECT_TRUE(user_agent("op", "1.2").starts_with("op/1.2 (linux/"));
}

TEST(InCluster, ReadsTheServiceAccountsFiles) {
    World world;
    const std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount/";
    world.environment = {
        {"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "443"}, {"HOME", "/home/me"}};
    world.files = {
        {directory + "token", "t\n"}, {directory + "ca.crt", "CA"}, {directory + "namespace", "endoscope-system\n"}};
    const auto config = load_config("", "", world.sources());
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->host, "fd00::1");
    EXPECT_EQ(config->token, "t");
    EXPECT_EQ(config->token_file, directory + "token");
    EXPECT_EQ(config->default_namespace, "endoscope-system");
    world.files[directory + "ca.crt"] = "\n";
    EXPECT_FALSE(load_config("", "", world.sources())) << "an empty CA must not mean the system's roots";
    world.files.erase(directory + "token");
    EXPECT_FALSE(load_config("", "", world.sources()));
}

TEST(ServerUrl, PlainHttpNeverGetsCredentials) {
    World world;
    world.files["/k"] = with("{server: 'http://127.0.0.1:8001'}", "{token: secret}");
    const auto config = load_config("/k", "", world.sources());
    ASSERT_TRUE(config);
    EXPECT_FALSE(config->tls_enabled);
    EXPECT_EQ(config->token, "");
}

}  // namespace
}  // namespace kube
