#include "kube/client/config.hpp"

#include "kube/base/base64.hpp"
#include "kube/client/kubeconfig.hpp"

#include <gtest/gtest.h>

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
