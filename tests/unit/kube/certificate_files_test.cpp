#include "kube/runtime/certificate_files.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace kube {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

/// Keys cost time: two pairs serve all tests.
const KeyPair& pair(std::size_t number) {
    static const std::vector<KeyPair> pairs = [] {
        const WallTime now = test::ManualClock().now();
        std::vector<KeyPair> made;
        const auto ca = make_certificate_authority("test", now, std::chrono::hours(24));
        for (const char* name : {"one", "two"}) {
            LeafOptions leaf;
            leaf.common_name = name;
            leaf.dns_names = {"localhost"};
            made.push_back(*issue_certificate(*ca, leaf, now, std::chrono::hours(24)));
        }
        return made;
    }();
    return pairs.at(number);
}

Result<std::string> read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (!(content << file.rdbuf())) return fail(ErrorKind::config, "cannot read " + path);
    return content.str();
}

struct CountReads final : CertificateObserver {
    void on_read(bool succeeded) override { ++(succeeded ? good : bad); }
    int good = 0;
    int bad = 0;
};

struct Mount {
    Mount() : dir((fs::temp_directory_path() / "kube-certificates-XXXXXX").string()) {
        EXPECT_NE(mkdtemp(dir.data()), nullptr);
    }
    ~Mount() { fs::remove_all(dir); }
    Mount(const Mount&) = delete;
    Mount& operator=(const Mount&) = delete;
    void put(const std::string& name, const std::string& text) const { std::ofstream(dir + "/" + name) << text; }
    /// As the kubelet updates a Secret: the data in a new directory, and one symlink swapped.
    void swap(const std::string& version, const KeyPair& keys) const {
        fs::create_directory(dir + "/" + version);
        put(version + "/tls.crt", keys.certificate_pem);
        put(version + "/tls.key", keys.key_pem);
        fs::create_directory_symlink(version, dir + "/..data_tmp");
        fs::rename(dir + "/..data_tmp", dir + "/..data");
        if (fs::exists(fs::symlink_status(dir + "/tls.crt"))) return;
        for (const char* name : {"tls.crt", "tls.key"})
            fs::create_symlink(std::string("..data/") + name, dir + "/" + name);
    }
    std::string dir;
};

struct Watched {
    Watched() : files(clock, mount.dir + "/tls.crt", mount.dir + "/tls.key", read, &reads) {}
    asio::awaitable<void> poll() {
        clock.advance(std::chrono::seconds(10));
        co_await test::settle();
    }
    Mount mount;
    test::ManualClock clock;
    CountReads reads;
    CertificateFiles files;
    std::stop_source stop;
};

TEST(CertificateFiles, WhatIsMissingAtTheStartIsNamed) {
    Watched w;
    auto loaded = w.files.load();
    ASSERT_FALSE(loaded);
    EXPECT_TRUE(loaded.error().message.contains("tls.crt")) << loaded.error().message;
    w.mount.put("tls.crt", pair(0).certificate_pem);
    w.mount.put("tls.key", pair(1).key_pem);
    loaded = w.files.load();
    ASSERT_FALSE(loaded) << "they do not belong together";
    EXPECT_EQ(w.files.context(), nullptr);
    EXPECT_EQ(w.reads.bad, 2);
}

asio::awaitable<void> swaps_symlinks() {
    const auto executor = co_await asio::this_coro::executor;
    Watched w;
    w.mount.swap("..v1", pair(0));
    EXPECT_TRUE(w.files.load());
    const auto first = w.files.context();
    test::spawn(executor, w.files.run(w.stop.get_token()));
    co_await test::settle();
    co_await w.poll();
    EXPECT_EQ(w.files.context(), first) << "nothing has changed";
    w.mount.swap("..v2", pair(1));
    co_await w.poll();
    EXPECT_NE(w.files.context(), first);
    EXPECT_EQ(w.files.certificate_pem(), pair(1).certificate_pem);
    EXPECT_EQ(w.reads.good, 3);
    w.stop.request_stop();
    co_await test::settle();
}
TEST(CertificateFiles, ASwappedSymlinkIsSeen) {
    test::run_coro(swaps_symlinks());
}

asio::awaitable<void> goes_away() {
    const auto executor = co_await asio::this_coro::executor;
    Watched w;
    w.mount.put("tls.crt", pair(0).certificate_pem);
    w.mount.put("tls.key", pair(0).key_pem);
    EXPECT_TRUE(w.files.load());
    const auto first = w.files.context();
    test::spawn(executor, w.files.run(w.stop.get_token()));
    co_await test::settle();
    fs::remove(w.mount.dir + "/tls.crt");
    co_await w.poll();
    co_await w.poll();
    EXPECT_EQ(w.files.context(), first) << "the old one serves on";
    EXPECT_EQ(w.reads.bad, 2);
    // Back again, but only half of the new pair is there yet; then garbage; then the rest.
    w.mount.put("tls.crt", pair(1).certificate_pem);
    co_await w.poll();
    EXPECT_EQ(w.files.context(), first);
    w.mount.put("tls.key", "-----BEGIN");
    co_await w.poll();
    EXPECT_EQ(w.files.context(), first);
    w.mount.put("tls.key", pair(1).key_pem);
    co_await w.poll();
    EXPECT_NE(w.files.context(), first);
    EXPECT_EQ(w.reads.bad, 4);
    w.stop.request_stop();
    co_await test::settle();
}
TEST(CertificateFiles, AreLookedAtAgainHoweverLongTheyWereAwayOrWrong) {
    testing::internal::CaptureStderr();
    test::run_coro(goes_away());
    const std::string log = testing::internal::GetCapturedStderr();
    std::size_t warnings = 0;
    for (std::size_t at = 0; (at = log.find("cannot be read again", at)) != std::string::npos; ++at) ++warnings;
    EXPECT_EQ(warnings, 3U) << "one for each problem, however long it lasts: " << log;
}

TEST(SelfSignedCertificate, IsMadeOnceAndAgainBeforeItExpires) {
    test::ManualClock clock;
    LeafOptions names;
    names.common_name = "metrics";
    SelfSignedCertificate certificate(clock, names);
    const auto first = certificate.context();
    ASSERT_NE(first, nullptr);
    clock.advance(std::chrono::hours(24 * 200));
    EXPECT_EQ(certificate.context(), first);
    clock.advance(std::chrono::hours(24 * 100));
    EXPECT_NE(certificate.context(), first);
}

}  // namespace
}  // namespace kube
