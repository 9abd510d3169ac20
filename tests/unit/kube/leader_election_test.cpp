#include "kube/runtime/leader_election.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kube {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kCollection = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";
const std::string kObject = kCollection + "/endoscope";

ClientOptions client_options() {
    ClientOptions options;
    options.user_agent = "test";
    return options;
}

/// One Lease behind a scripted server, with the API server's rules for it.
class LeaseServer {
  public:
    LeaseServer(asio::any_io_executor executor, Clock& clock) : script(executor, clock), silence_over_(executor) {}

    /// Answers the next requests as the API server would.
    void answer(int count) {
        for (int i = 0; i < count; ++i) {
            script.on_next([this](const HttpExchange& exchange, HttpResponseWriter& writer) {
                return respond(apply(exchange.request), writer);
            });
        }
    }
    /// Takes the next request, makes it if `applied`, and says nothing until `end_silence`.
    void stay_silent(bool applied) {
        script.on_next([this, applied](const HttpExchange& exchange, HttpResponseWriter&) {
            if (applied) apply(exchange.request);
            return wait();
        });
    }
    void end_silence() { silence_over_.notify_all(); }
    void status(int code, const std::string& reason) {
        script.reply(code, R"({"kind":"Status","reason":")" + reason + R"(","message":"no"})");
    }

    test::ScriptedServer script;
    json lease;  ///< null while there is none.

  private:
    static asio::awaitable<void> respond(HttpResponse response, HttpResponseWriter& writer) {
        co_await writer.respond(std::move(response));
    }
    asio::awaitable<void> wait() { co_await silence_over_.wait(); }

    HttpResponse store(json object, int status) {
        object["metadata"]["resourceVersion"] = std::to_string(++version_);
        lease = std::move(object);
        return reply(status, lease);
    }
    HttpResponse apply(const HttpRequest& request) {
        if (request.method == "POST") {
            return lease.is_null() ? store(json::parse(request.body), 201) : refusal(409, "AlreadyExists");
        }
        if (lease.is_null()) return refusal(404, "NotFound");
        if (request.method == "GET") return reply(200, lease);
        const json patch = json::parse(request.body);
        if (patch["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]) {
            return refusal(409, "Conflict");
        }
        json changed = lease;
        changed.merge_patch(patch);
        return store(std::move(changed), 200);
    }
    static HttpResponse reply(int status, const json& body) {
        HttpResponse response;
        response.status = status;
        response.headers.set("Content-Type", "application/json");
        response.body = body.dump();
        return response;
    }
    static HttpResponse refusal(int status, const std::string& reason) {
        return reply(status, {{"kind", "Status"}, {"reason", reason}, {"message", "no"}});
    }

    Signal silence_over_;
    int version_ = 100;
};

/// What an election told its observer: "0" and "1" for its status, "s" for the slow path.
struct Record final : LeaderObserver {
    void on_status(bool leading) override { told += leading ? "1" : "0"; }
    void on_slow_path() override { told += "s"; }
    std::string told;
};

/// One process of an election.
struct Candidate {
    Candidate(asio::any_io_executor executor, Clock& clock, std::shared_ptr<Transport> transport, std::string identity)
        : client(std::move(transport), clock, client_options()),
          election(executor, client, clock,
                   {.ns = "ns",
                    .name = "endoscope",
                    .identity = std::move(identity),
                    .times = {},
                    .seed = 1,
                    .observer = &record}) {}

    asio::awaitable<void> run() { end = co_await election.run(stop.get_token()); }
    asio::awaitable<void> wait_until_leading() { led = co_await election.wait_until_leading(stop.get_token()); }

    Client client;
    Record record;
    LeaderElection election;
    std::stop_source stop;
    std::optional<LeaseEnd> end;
    std::optional<bool> led;
};

struct Fixture {
    explicit Fixture(asio::any_io_executor on)
        : executor(on), server(on, clock), me(on, clock, server.script.transport(), "me") {}

    /// `me` has made the Lease and leads; the next request is the renewal at two seconds.
    asio::awaitable<void> lead() {
        server.answer(2);
        test::spawn(executor, me.run());
        co_await test::settle();
        EXPECT_TRUE(me.election.is_leader());
    }
    /// Gives the lease back, as an election that runs must end before its client does.
    asio::awaitable<void> finish() {
        server.answer(1);
        me.stop.request_stop();
        co_await test::settle();
        EXPECT_EQ(me.end, LeaseEnd::released);
    }
    asio::awaitable<void> pass(Duration time) {
        clock.advance(time);
        co_await test::settle();
    }
    const std::string& last_request() const { return server.script.requests().back(); }
    json last_body() const { return json::parse(server.script.received().back().body); }

    asio::any_io_executor executor;
    test::ManualClock clock;
    LeaseServer server;
    Candidate me;
};

asio::awaitable<void> creates_and_renews() {
    Fixture f(co_await asio::this_coro::executor);
    test::spawn(f.executor, f.me.wait_until_leading());
    co_await f.lead();
    EXPECT_EQ(f.me.led, true);
    EXPECT_EQ(f.server.script.requests(), (std::vector<std::string>{"GET " + kObject, "POST " + kCollection}));
    EXPECT_EQ(f.last_body(), json::parse(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease",
        "metadata":{"name":"endoscope","namespace":"ns"},
        "spec":{"holderIdentity":"me","leaseDurationSeconds":15,"leaseTransitions":0,
                "acquireTime":"2026-01-02T03:04:05.000000Z","renewTime":"2026-01-02T03:04:05.000000Z"}})"));
    f.server.answer(20);
    for (int i = 0; i < 20; ++i) co_await f.pass(seconds(2));
    EXPECT_EQ(f.server.script.requests().size(), 22U) << "one request every two seconds and no reads";
    EXPECT_EQ(f.last_request(), "PATCH " + kObject);
    EXPECT_EQ(f.server.script.received().back().headers.get("Content-Type"), "application/merge-patch+json");
    EXPECT_EQ(f.last_body(), json::parse(R"({"metadata":{"resourceVersion":"120"},
        "spec":{"holderIdentity":"me","leaseDurationSeconds":15,"leaseTransitions":0,
                "acquireTime":"2026-01-02T03:04:05.000000Z","renewTime":"2026-01-02T03:04:45.000000Z"}})"));
    EXPECT_EQ(f.server.script.connections(), 1);
    EXPECT_TRUE(f.me.election.is_leader());
    EXPECT_EQ(f.me.election.holder(), "me");
    EXPECT_EQ(f.me.record.told, "01");
    EXPECT_FALSE(f.me.election.lost().stop_requested());
    co_await f.finish();
}
TEST(LeaderElection, CreatesTheLeaseAndRenewsItWithOneRequestEach) {
    test::run_coro(creates_and_renews());
}

asio::awaitable<void> reads_after_conflict() {
    Fixture f(co_await asio::this_coro::executor);
    co_await f.lead();
    f.server.lease["metadata"]["resourceVersion"] = "labelled";  // somebody else changed something else
    f.server.lease["metadata"]["labels"] = {{"team", "a"}};
    f.server.answer(3);
    co_await f.pass(seconds(2));
    EXPECT_EQ(f.last_request(), "PATCH " + kObject);
    EXPECT_EQ(f.server.script.requests().size(), 5U);
    EXPECT_EQ(f.server.lease["metadata"]["labels"]["team"], "a") << "what is not ours stays";
    EXPECT_TRUE(f.me.election.is_leader());
    EXPECT_EQ(f.me.record.told, "01s");
    co_await f.finish();
}
TEST(LeaderElection, AConflictIsReadAndTheRenewalRepeated) {
    test::run_coro(reads_after_conflict());
}

asio::awaitable<void> loses_to_silence() {
    Fixture f(co_await asio::this_coro::executor);
    int lost = 0;
    const std::stop_callback on_lost(f.me.election.lost(), [&] { ++lost; });
    co_await f.lead();
    for (int i = 0; i < 3; ++i) f.server.stay_silent(false);
    co_await f.pass(seconds(2));
    co_await f.pass(seconds(5));
    EXPECT_EQ(f.last_request(), "GET " + kObject) << "it gave up after half the renew deadline and looks";
    co_await f.pass(milliseconds(2999));
    EXPECT_TRUE(f.me.election.is_leader());
    EXPECT_EQ(lost, 0);
    co_await f.pass(milliseconds(1));
    EXPECT_FALSE(f.me.election.is_leader());
    EXPECT_EQ(f.me.end, LeaseEnd::lost);
    EXPECT_EQ(lost, 1);
    EXPECT_EQ(f.me.record.told, "01s0");
    const std::size_t requests = f.server.script.requests().size();
    co_await f.pass(seconds(60));
    EXPECT_EQ(f.server.script.requests().size(), requests) << "it is over for this process";
    test::spawn(f.executor, f.me.wait_until_leading());
    co_await test::settle();
    EXPECT_EQ(f.me.led, false);
    f.server.end_silence();
    co_await test::settle();
}
TEST(LeaderElection, ASilentServerEndsTheLeadershipAtTheRenewDeadline) {
    test::run_coro(loses_to_silence());
}

asio::awaitable<void> loses_to_another() {
    Fixture f(co_await asio::this_coro::executor);
    co_await f.lead();
    f.server.lease["metadata"]["resourceVersion"] = "taken";
    f.server.lease["spec"]["holderIdentity"] = "other";
    f.server.answer(2);
    co_await f.pass(seconds(2));
    EXPECT_EQ(f.me.end, LeaseEnd::lost);
    EXPECT_FALSE(f.me.election.is_leader());
    EXPECT_EQ(f.server.lease["spec"]["holderIdentity"], "other");
}
TEST(LeaderElection, ALeaseThatIsAnothersIsLostAtOnce) {
    test::run_coro(loses_to_another());
}

asio::awaitable<void> knows_when_thawed() {
    Fixture f(co_await asio::this_coro::executor);
    co_await f.lead();
    f.server.answer(1);
    f.clock.set_wall(f.clock.now() - std::chrono::hours(24));
    f.clock.advance(milliseconds(9999));
    EXPECT_TRUE(f.me.election.is_leader());
    f.clock.advance(milliseconds(1));
    EXPECT_FALSE(f.me.election.is_leader()) << "nothing of it has run since, and it knows";
    EXPECT_EQ(f.me.election.health(), "");
    f.clock.advance(seconds(25));
    EXPECT_EQ(f.me.election.health(), "");
    f.clock.advance(milliseconds(1));
    EXPECT_NE(f.me.election.health(), "") << "it has not noticed for twenty seconds more than the lease";
    co_await test::settle();
    EXPECT_EQ(f.me.end, LeaseEnd::lost);
    EXPECT_EQ(f.server.script.requests().size(), 2U) << "a renewal would have come too late";
    EXPECT_EQ(f.me.election.health(), "");
}
TEST(LeaderElection, AFrozenProcessKnowsWhenItIsThawed) {
    test::run_coro(knows_when_thawed());
}

asio::awaitable<void> releases() {
    Fixture f(co_await asio::this_coro::executor);
    co_await f.lead();
    f.server.answer(1);
    f.me.stop.request_stop();
    co_await test::settle();
    EXPECT_EQ(f.me.end, LeaseEnd::released);
    EXPECT_EQ(f.last_request(), "PATCH " + kObject);
    EXPECT_EQ(f.server.lease["spec"]["holderIdentity"], "");
    EXPECT_EQ(f.server.lease["spec"]["leaseDurationSeconds"], 1);
    EXPECT_EQ(f.me.record.told, "010");
    EXPECT_FALSE(f.me.election.is_leader());
    EXPECT_FALSE(f.me.election.lost().stop_requested()) << "given back is not lost";
}
TEST(LeaderElection, AStopGivesTheLeaseBack) {
    test::run_coro(releases());
}

asio::awaitable<void> releases_during_renewal(bool applied) {
    Fixture f(co_await asio::this_coro::executor);
    co_await f.lead();
    f.server.stay_silent(applied);
    f.server.answer(2);
    co_await f.pass(seconds(2));
    EXPECT_EQ(f.server.script.requests().size(), 3U);
    f.me.stop.request_stop();
    EXPECT_TRUE(f.me.election.is_leader()) << "until it has run";
    co_await test::settle();
    EXPECT_EQ(f.me.end, LeaseEnd::released);
    EXPECT_EQ(f.server.script.requests().size(), 5U) << "read, then give back what is really there";
    EXPECT_EQ(f.server.lease["spec"]["holderIdentity"], "");
    f.server.end_silence();
    co_await test::settle();
}
TEST(LeaderElection, AStopDuringARenewalGivesTheLeaseBackWhetherItHappenedOrNot) {
    test::run_coro(releases_during_renewal(false));
    test::run_coro(releases_during_renewal(true));
}

asio::awaitable<void> gives_up_releasing() {
    Fixture f(co_await asio::this_coro::executor);
    co_await f.lead();
    for (int i = 0; i < 3; ++i) f.server.stay_silent(false);
    f.me.stop.request_stop();
    co_await test::settle();
    EXPECT_FALSE(f.me.election.is_leader());
    co_await f.pass(seconds(5));
    EXPECT_FALSE(f.me.end.has_value());
    co_await f.pass(seconds(5));
    EXPECT_EQ(f.me.end, LeaseEnd::stopped);
    f.server.end_silence();
    co_await test::settle();
}
TEST(LeaderElection, GivingBackIsTriedForTheRenewDeadline) {
    test::run_coro(gives_up_releasing());
}

asio::awaitable<void> hands_over() {
    Fixture f(co_await asio::this_coro::executor);
    Candidate other(f.executor, f.clock, f.server.script.transport(), "other");
    co_await f.lead();
    f.server.answer(1000);
    test::spawn(f.executor, other.run());
    for (int i = 0; i < 60; ++i) co_await f.pass(seconds(1));
    EXPECT_TRUE(f.me.election.is_leader());
    EXPECT_FALSE(other.election.is_leader());
    EXPECT_EQ(other.election.holder(), "me");
    f.me.stop.request_stop();
    co_await test::settle();
    co_await f.pass(milliseconds(4400));
    EXPECT_TRUE(other.election.is_leader()) << "within one wait";
    EXPECT_EQ(f.server.lease["spec"]["leaseTransitions"], 1);
    EXPECT_EQ(other.record.told, "01");
    other.stop.request_stop();
    co_await test::settle();
}
TEST(LeaderElection, AStandbyTakesOverWhatIsGivenBack) {
    test::run_coro(hands_over());
}

asio::awaitable<void> takes_over_from_the_dead() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.lease = json::parse(R"({"metadata":{"name":"endoscope","resourceVersion":"7"},
        "spec":{"holderIdentity":"dead","leaseDurationSeconds":15,"leaseTransitions":3,
                "acquireTime":"2040-01-01T00:00:00.000000Z","renewTime":"2040-01-01T00:00:00.000000Z"}})");
    f.server.answer(100);
    test::spawn(f.executor, f.me.run());
    co_await test::settle();
    for (int i = 0; i < 14; ++i) co_await f.pass(seconds(1));
    co_await f.pass(milliseconds(999));
    EXPECT_FALSE(f.me.election.is_leader());
    co_await f.pass(milliseconds(1));
    EXPECT_TRUE(f.me.election.is_leader()) << "by our own clock, whatever the times say";
    EXPECT_EQ(f.server.lease["spec"]["leaseTransitions"], 4);
    co_await f.finish();
}
TEST(LeaderElection, ADeadHoldersLeaseIsTakenWhenItsDurationIsOver) {
    test::run_coro(takes_over_from_the_dead());
}

asio::awaitable<void> waits_for_permission() {
    Fixture f(co_await asio::this_coro::executor);
    for (int i = 0; i < 3; ++i) f.server.status(403, "Forbidden");
    f.server.script.reply(200, "not json");
    f.server.script.drop();
    test::spawn(f.executor, f.me.run());
    for (int i = 0; i < 30; ++i) co_await f.pass(seconds(1));
    EXPECT_FALSE(f.me.election.is_leader());
    f.server.answer(10);
    for (int i = 0; i < 5; ++i) co_await f.pass(seconds(1));
    EXPECT_TRUE(f.me.election.is_leader());
    co_await f.finish();
}
TEST(LeaderElection, RefusalsAndNonsenseAreWaitedOut) {
    test::run_coro(waits_for_permission());
}

asio::awaitable<void> survives_closed_connection() {
    Fixture f(co_await asio::this_coro::executor);
    co_await f.lead();
    f.server.script.drop();
    f.server.answer(1);
    co_await f.pass(seconds(2));
    EXPECT_EQ(f.server.lease["metadata"]["resourceVersion"], "102");
    EXPECT_EQ(f.me.record.told, "01") << "no slow path for a connection that had been closed";
    co_await f.finish();
}
TEST(LeaderElection, AConnectionThatTheServerClosedCostsNoRenewal) {
    test::run_coro(survives_closed_connection());
}

/// Connects never: a network that drops the first packet.
class BlackHole final : public Transport {
  public:
    explicit BlackHole(asio::any_io_executor executor) : never_(std::move(executor)) {}
    asio::awaitable<Result<std::unique_ptr<ByteStream>>> connect(std::stop_token stop) override {
        ++attempts;
        const std::stop_callback on_stop(stop, [this] { never_.notify_all(); });
        while (!stop.stop_requested()) co_await never_.wait();
        co_return fail(ErrorKind::cancelled, "stopped");
    }
    std::string_view host() const override { return "nowhere.test"; }
    int attempts = 0;

  private:
    Signal never_;
};

asio::awaitable<void> is_not_held_up_by_a_connect() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    const auto nowhere = std::make_shared<BlackHole>(executor);
    Candidate me(executor, clock, nowhere, "me");
    test::spawn(executor, me.run());
    co_await test::settle();
    EXPECT_EQ(nowhere->attempts, 1);
    clock.advance(seconds(5));
    co_await test::settle();
    clock.advance(milliseconds(4400));
    co_await test::settle();
    EXPECT_EQ(nowhere->attempts, 2) << "the first was given up after half the renew deadline";
    me.stop.request_stop();
    co_await test::settle();
    EXPECT_EQ(me.end, LeaseEnd::stopped);
}
TEST(LeaderElection, AConnectThatHangsIsGivenUp) {
    test::run_coro(is_not_held_up_by_a_connect());
}

}  // namespace
}  // namespace kube
