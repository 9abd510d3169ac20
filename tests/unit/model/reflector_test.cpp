#include "kube/runtime/reflector.hpp"

#include "fixture.hpp"
#include "kube/base/task_group.hpp"
#include "kube/runtime/store.hpp"
#include "tests/support/memory_stream.hpp"

#include <map>
#include <random>

namespace model::test {
namespace {

namespace asio = boost::asio;
using kube::test::run_coro;
using kube::test::settle;
using std::chrono::seconds;

/// An API server, a reflector of its Pods, and a network between them that can break.
class World {
  public:
    World(asio::any_io_executor executor, std::uint64_t seed, std::shared_ptr<kube::WatchListSupport> watch_list)
        : executor_(executor),
          api_(executor, clock_),
          client_(std::make_shared<kube::test::MemoryTransport>([this] { return connect(); }), clock_, {}),
          store_(
              [](const Json& object) {
                  return std::pair(kube::object_key(object), string_at(object, {"metadata", "resourceVersion"}));
              },
              kube::object_key),
          reflector_(client_, clock_, store_, options(seed, std::move(watch_list))),
          tasks_(executor) {
        store_.on_change([this](const std::string& key, const auto&, const auto& after) {
            if (after) {
                told_[key] = *after;
            } else {
                told_.erase(key);
            }
        });
        tasks_.spawn("reflector", reflector_.run(stop_.get_token()));
    }

    asio::awaitable<void> pass(kube::Duration time) {
        co_await settle();
        clock_.advance(time);
        co_await settle();
    }
    asio::awaitable<void> stop() {
        stop_.request_stop();
        co_await tasks_.join();
        co_await api_.join();
    }
    /// Every connection is reset.
    void break_network() {
        for (auto* server : std::exchange(servers_, {})) server->reset();
    }
    void refuse_connections(bool refuse) { refusing_ = refuse; }

    asio::awaitable<std::map<std::string, std::string>> live_state() {
        std::map<std::string, std::string> state;
        const Answer listed = co_await ask(api_, "GET", kPods);
        for (const Json& item : listed.body["items"]) {
            state[kube::object_key(item)] = string_at(item, {"metadata", "resourceVersion"});
        }
        co_return state;
    }
    std::map<std::string, std::string> cached_state() const {
        std::map<std::string, std::string> state;
        for (const auto& [key, version] : told_) {
            const auto found = store_.get(key);
            if (found) state[key] = *found;
        }
        EXPECT_EQ(state.size(), store_.size());
        return state;
    }
    const std::map<std::string, std::string>& told() const { return told_; }
    ApiServer& api() { return api_; }
    kube::Reflector& reflector() { return reflector_; }

  private:
    static kube::ReflectorOptions options(std::uint64_t seed, std::shared_ptr<kube::WatchListSupport> watch_list) {
        kube::ReflectorOptions options;
        options.name = "pods";
        options.path = kPods;
        options.seed = seed;
        options.page_size = 3;
        options.watch_list = std::move(watch_list);
        return options;
    }
    kube::Result<std::unique_ptr<kube::ByteStream>> connect() {
        if (refusing_) return kube::fail(kube::ErrorKind::transport, "connection refused");
        auto [client, server] = kube::test::make_memory_stream_pair(executor_);
        kube::PeerCertificate admin;
        admin.common_name = "admin";
        admin.organizations.emplace_back("system:masters");
        server->peer = admin;
        servers_.push_back(server.get());
        tasks_.spawn("connection", serve(std::move(server)));
        return std::unique_ptr<kube::ByteStream>(std::move(client));
    }
    asio::awaitable<void> serve(std::unique_ptr<kube::test::MemoryStream> stream) {
        co_await kube::serve_http(clock_, *stream, api_.handler(), {}, stop_.get_token());
        std::erase(servers_, stream.get());
    }

    asio::any_io_executor executor_;
    kube::test::ManualClock clock_;
    ApiServer api_;
    std::vector<kube::test::MemoryStream*> servers_;
    bool refusing_ = false;
    std::stop_source stop_;
    kube::Client client_;
    kube::Store<std::string> store_;
    std::map<std::string, std::string> told_;  ///< The state that the notifications add up to.
    kube::Reflector reflector_;
    kube::TaskGroup tasks_;
};

asio::awaitable<void> disturb(World& world, std::mt19937& random) {
    const std::string name = "p" + std::to_string(random() % 12);
    switch (random() % 12) {
        case 0:
            world.break_network();
            break;
        case 1: {
            auto& storage = world.api().cluster().storage;
            storage.compact(storage.version());  // what was not seen yet cannot be watched any more
            world.break_network();
            break;
        }
        case 2:
            world.refuse_connections(random() % 2 == 0);
            break;
        case 3:
        case 4:
            co_await world.pass(seconds(random() % 400));
            break;
        case 5:
        case 6:
        case 7:
            co_await ask(world.api(), "DELETE", kPods + "/" + name + "?gracePeriodSeconds=0");
            break;
        case 8:
            co_await ask(world.api(), "PATCH", kPods + "/" + name,
                         Json{{"metadata", {{"labels", {{"n", std::to_string(random() % 100)}}}}}}, kMerge);
            break;
        default:
            co_await ask(world.api(), "POST", kPods, pod(name));
    }
    if (random() % 3 == 0) co_await settle();
}

asio::awaitable<void> keeps_up(std::uint64_t seed, bool watch_list) {
    const auto executor = co_await asio::this_coro::executor;
    World world(executor, seed, watch_list ? std::make_shared<kube::WatchListSupport>() : nullptr);
    std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
    for (int i = 0; i < 120; ++i) co_await disturb(world, random);
    world.refuse_connections(false);
    for (int i = 0; i < 10; ++i) co_await world.pass(seconds(10));  // the longest back-off is a minute
    const auto live = co_await world.live_state();
    EXPECT_EQ(world.cached_state(), live) << "seed " << seed;
    EXPECT_EQ(world.told(), live) << "what handlers were told adds up to something else; seed " << seed;
    EXPECT_TRUE(world.reflector().synced());
    co_await world.stop();
}

TEST(ReflectorOnModel, TheCacheEqualsTheServerAfterAnyDisturbance) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) run_coro(keeps_up(seed, false));
}

TEST(ReflectorOnModel, LikewiseWithWatchList) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) run_coro(keeps_up(seed, true));
}

}  // namespace
}  // namespace model::test
