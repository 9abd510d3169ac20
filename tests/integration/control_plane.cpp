#include "tests/integration/control_plane.hpp"

#include "kube/base/clock.hpp"
#include "kube/base/json.hpp"
#include "kube/base/yaml.hpp"
#include "kube/net/certificates.hpp"
#include "tests/integration/etcd.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace endoscope::test {

namespace {

constexpr std::array<const char*, 4> kPeople = {"alice", "bob", "carol", "dave"};
constexpr std::chrono::seconds kStartTime{90};
constexpr std::chrono::seconds kStopTime{20};

std::unique_ptr<ControlPlane>& instance() {
    static std::unique_ptr<ControlPlane> plane;
    return plane;
}

std::string environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : value;
}

bool real_is_wanted() {
    return environment("ENDOSCOPE_CONTROLPLANE") == "real";
}

std::string program() {
    return real_is_wanted() ? environment("ENDOSCOPE_CONTROLPLANE_BIN") : ENDOSCOPE_MODEL_APISERVER;
}

}  // namespace

std::string ControlPlane::why_not() {
    if (!program().empty()) return "";
    return "there is no real control plane here: ENDOSCOPE_CONTROLPLANE_BIN is not set (tests/controlplane/build.sh "
           "prints it, and needs Go)";
}

ControlPlane& ControlPlane::get() {
    if (!instance()) {
        std::string dir = (std::filesystem::temp_directory_path() / "endoscope-integration-XXXXXX").string();
        if (mkdtemp(dir.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
        instance().reset(new ControlPlane(dir, real_is_wanted(), program()));
    }
    return *instance();
}

void ControlPlane::shut_down() {
    if (!instance()) return;
    ControlPlane& plane = *instance();
    const std::string dir = plane.dir_;
    plane.users_.clear();
    for (auto* process : {plane.kubelet_.get(), plane.api_server_.get()}) {
        if (process == nullptr) continue;
        process->signal(SIGTERM);
        EXPECT_EQ(process->wait(kStopTime), 0) << process->err();
        EXPECT_FALSE(process->err().contains("Sanitizer")) << process->err();
    }
    instance().reset();
    std::filesystem::remove_all(dir);
}

ControlPlane::ControlPlane(std::string dir, bool real, std::string binary)
    : dir_(std::move(dir)), real_(real), binary_(std::move(binary)) {
    make_webhook_client();
    start_api_server();
    if (!real_) return;
    for (const std::string name : kPeople) {
        Subprocess issue(
            {binary_, "kubeconfig", "--dir", dir_, "--user", name, "--group", "developers", "--out", kubeconfig(name)},
            dir_ + "/issue-" + name);
        if (issue.wait(kStopTime) != 0) throw std::runtime_error("no kubeconfig: " + issue.err());
    }
    kubelet_ = std::make_unique<Subprocess>(
        std::vector<std::string>{ENDOSCOPE_TEST_KUBELET, "--kubeconfig", kubeconfig("admin"), "--exit-with-parent"},
        dir_ + "/kubelet");
}

ControlPlane::~ControlPlane() = default;

/// A client certificate for webhooks, and how kube-apiserver is told of it.
void ControlPlane::make_webhook_client() {
    const auto now = std::chrono::time_point_cast<kube::WallTime::duration>(std::chrono::system_clock::now());
    const auto ca = kube::make_certificate_authority("webhook-clients", now, std::chrono::hours(24));
    kube::LeafOptions leaf;
    leaf.common_name = "api-server";
    leaf.server = false;
    leaf.client = true;
    const auto pair = ca ? kube::issue_certificate(*ca, leaf, now, std::chrono::hours(24)) : ca;
    if (!pair) throw std::runtime_error("no client certificate: " + pair.error().message);
    std::ofstream(webhook_client_ca()) << ca->certificate_pem;
    std::ofstream(dir_ + "/webhook-client.crt") << pair->certificate_pem;
    std::ofstream(dir_ + "/webhook-client.key") << pair->key_pem;
    const json user = {{"client-certificate", dir_ + "/webhook-client.crt"},
                       {"client-key", dir_ + "/webhook-client.key"}};
    std::ofstream(dir_ + "/webhook-client.kubeconfig")
        << kube::dump_json({{"apiVersion", "v1"}, {"kind", "Config"}, {"users", {{{"name", "*"}, {"user", user}}}}});
    json plugins = json::array();
    for (const char* name : {"MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"}) {
        plugins.push_back({{"name", name},
                           {"configuration",
                            {{"apiVersion", "apiserver.config.k8s.io/v1"},
                             {"kind", "WebhookAdmissionConfiguration"},
                             {"kubeConfigFile", dir_ + "/webhook-client.kubeconfig"}}}});
    }
    std::ofstream(dir_ + "/admission.json") << kube::dump_json({{"apiVersion", "apiserver.config.k8s.io/v1"},
                                                                {"kind", "AdmissionConfiguration"},
                                                                {"plugins", std::move(plugins)}});
}

void ControlPlane::start_api_server() {
    std::vector<std::string> argv = {binary_};
    if (real_) argv.emplace_back("start");
    argv.insert(argv.end(), {"--dir", dir_, "--exit-with-parent"});
    if (real_) {
        argv.insert(argv.end(), {"--audit-log", dir_ + "/audit.log", "--",
                                 "--admission-control-config-file=" + dir_ + "/admission.json"});
    } else {
        argv.insert(argv.end(), {"--kubelet", "--webhook-client-cert", dir_ + "/webhook-client.crt",
                                 "--webhook-client-key", dir_ + "/webhook-client.key"});
        for (const std::string name : kPeople) argv.insert(argv.end(), {"--user", name + ":developers"});
        argv.insert(argv.end(), {"--token", "reader-token=reader", "--token", "stranger-token=stranger"});
    }
    api_server_ = std::make_unique<Subprocess>(argv, dir_ + "/apiserver-process");
    if (!api_server_->wait_for_line("ready", kStartTime)) {
        throw std::runtime_error("the API server does not start: " + api_server_->err());
    }
}

void ControlPlane::restart_api_server() {
    api_server_->signal(SIGKILL);
    if (!api_server_->wait(kStopTime)) throw std::runtime_error("the API server does not stop");
    start_api_server();
}

void ControlPlane::forget_history() {
    if (!real_) {
        api_server_->signal(SIGUSR1);
        return;
    }
    std::string url = read_text(dir_ + "/etcd.url");
    while (url.ends_with('\n')) url.pop_back();
    compact_etcd(url);
    restart_api_server();
}

std::string ControlPlane::kubeconfig(const std::string& user) const {
    return dir_ + "/" + user + ".kubeconfig";
}

void ControlPlane::derive_kubeconfig(const std::string& name, const std::function<void(json&)>& edit) {
    auto documents = kube::parse_yaml(read_text(kubeconfig("admin")));
    if (!documents || documents->size() != 1) throw std::runtime_error("the kubeconfig cannot be read");
    edit(documents->front());
    std::ofstream(kubeconfig(name)) << kube::dump_json(documents->front());
}

User& ControlPlane::user(const std::string& name) {
    auto& known = users_[name];
    if (!known) known = std::make_unique<User>(kubeconfig(name));
    return *known;
}

}  // namespace endoscope::test
