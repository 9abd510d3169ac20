#include "tests/conformance/plane.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace endoscope::conformance {

namespace {

constexpr std::chrono::seconds kStartTime{90};
constexpr std::chrono::seconds kStopTime{60};
constexpr const char* kUser = "alice";
constexpr const char* kGroup = "developers";

}  // namespace

Plane::Plane(bool real, const std::string& binary) : real_(real) {
    dir_ = (std::filesystem::temp_directory_path() / "endoscope-conformance-XXXXXX").string();
    if (mkdtemp(dir_.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
    std::vector<std::string> argv = {binary};
    if (real_) argv.emplace_back("start");
    argv.insert(argv.end(), {"--dir", dir_, "--exit-with-parent"});
    if (!real_) argv.insert(argv.end(), {"--user", std::string(kUser) + ":" + kGroup});
    process_ = std::make_unique<test::Subprocess>(argv, dir_ + "/process");
    if (!process_->wait_for_line("ready", kStartTime)) {
        throw std::runtime_error("the API server does not start: " + process_->err());
    }
    if (!real_) return;
    test::Subprocess issue(
        {binary, "kubeconfig", "--dir", dir_, "--user", kUser, "--group", kGroup, "--out", kubeconfig(kUser)},
        dir_ + "/issue");
    if (issue.wait(kStopTime) != 0) throw std::runtime_error("no kubeconfig: " + issue.err());
}

Plane::~Plane() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

std::string Plane::etcd_url() const {
    if (!real_) return "";
    std::string url = test::read_text(dir_ + "/etcd.url");
    while (!url.empty() && url.back() == '\n') url.pop_back();
    return url;
}

std::string Plane::stop() {
    if (!process_) return "";
    process_->signal(SIGTERM);
    const auto code = process_->wait(kStopTime);
    const std::string err = process_->err();
    process_.reset();
    return code == 0 && !err.contains("Sanitizer") ? "" : "the API server ended badly: " + err;
}

}  // namespace endoscope::conformance
