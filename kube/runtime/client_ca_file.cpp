#include "kube/runtime/client_ca_file.hpp"

#include "kube/base/log.hpp"

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr Duration kPollInterval = std::chrono::seconds(10);

}  // namespace

Result<void> ClientCaFile::load() {
    auto pem = read_file_(path_);
    if (!pem) return std::unexpected(std::move(pem.error()));
    if (*pem == pem_) return {};
    const auto expiry = certificate_expiry(*pem);
    if (!expiry) return fail(ErrorKind::config, path_ + ": " + expiry.error().message);
    pem_ = std::move(*pem);
    log::info("certificates", "client CA loaded", {{"file", path_}, {"expires", format_micro_time(*expiry)}});
    return {};
}

asio::awaitable<void> ClientCaFile::run(std::stop_token stop) {
    for (;;) {
        const bool waited = co_await sleep_for(clock_, kPollInterval, stop);
        if (!waited) co_return;
        const auto loaded = load();
        const std::string problem = loaded ? std::string() : loaded.error().message;
        if (!problem.empty() && problem != last_error_) {
            log::warn("certificates", "the client CA cannot be read again; the old one holds on", {{"error", problem}});
        }
        last_error_ = problem;
    }
}

}  // namespace kube
