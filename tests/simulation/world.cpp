#include "tests/simulation/world.hpp"

#include "kube/base/log.hpp"
#include "tests/model/patch.hpp"
#include "tests/simulation/cluster_objects.hpp"
#include "tests/support/recording_writer.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

namespace simulation {
namespace asio = boost::asio;
using model::Json;
using model::string_at;

namespace {

/// How long a cluster without faults may take until every request has come to an end: the longest back-off of a work
/// queue, the longest deadlines, and room.
constexpr kube::Duration kPatience = std::chrono::minutes(40);
/// Watched on after everything has ended, for what comes late; longer where connections may still be found dead.
constexpr kube::Duration kAftermath = std::chrono::seconds(5);
constexpr kube::Duration kLongAftermath = std::chrono::seconds(90);
constexpr kube::Duration kShutdownTime = std::chrono::seconds(30);
constexpr kube::Duration kRestartDelay = std::chrono::seconds(1);
constexpr int kCreateAttempts = 8;
/// Handlers that may run at one moment; more is a circle that no clock ends.
constexpr std::uint64_t kMostStepsAtOnce = 2'000'000;
constexpr std::uint64_t kMostRoundsAtOnce = 100'000;

class World {
  public:
    World(const Plan& plan, bool with_trace);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Outcome run();

  private:
    struct Replica {
        std::unique_ptr<OperatorProcess> process;
        int lives = 0;
        bool frozen = false;
        std::optional<std::int64_t> dies_after;  ///< Of its steps.
        std::optional<std::int64_t> freezes_after;
        std::optional<std::int64_t> stops_after;  ///< Of anybody's steps.
        kube::Duration freezes_for{};
        std::chrono::microseconds wall_offset{0};
        std::unique_ptr<kube::Timer> restart;
        std::unique_ptr<kube::Timer> thaw;
        std::unique_ptr<kube::Timer> overtime;
    };

    void note(const std::string& text);
    void start(int replica);
    void end(int replica, const std::string& how);
    void freeze(Replica& replica);
    void terminate(int replica);
    /// One step of somebody's was made: SIGTERM for those whose time has come.
    void count_step();
    void carry_out(const Event& event);
    void after(kube::Duration delay, std::function<void()> what);
    /// Runs whatever is ready, until nothing is.
    void settle();
    bool step(int replica);
    std::optional<Network::Port> find_port(const std::string& name);
    asio::awaitable<void> create(int which);
    asio::awaitable<int> ask(std::string user, std::string method, std::string path, Json body);
    void remove(int which);
    void copy_sealed(int which);
    void forge(int which);
    void tamper(int which);
    void lose_keys(const Event& event);
    bool alive() const;
    int leader() const;

    const Plan& plan_;
    bool with_trace_;
    Outcome outcome_;
    kube::test::ManualClock clock_;
    kube::SteadyTime began_;
    Network network_;
    ApiProcess api_;
    Checks checks_;
    std::unique_ptr<Kubelet> kubelet_;
    std::vector<Replica> replicas_;
    std::vector<std::unique_ptr<kube::Timer>> timers_;
    std::mt19937_64 random_;
    std::string running_;                                     ///< The process that runs right now, for its log.
    std::optional<Event> no_webhook_;                         ///< While the webhooks cannot be reached.
    std::vector<std::unique_ptr<kube::ByteStream>> ignored_;  ///< Webhook calls that are never answered.
};

World::World(const Plan& plan, bool with_trace)
    : plan_(plan),
      with_trace_(with_trace),
      began_(clock_.steady_now()),
      network_(clock_, plan.seed, [this](const std::string& name) { return find_port(name); }),
      api_(clock_, plan.seed,
           [this](const std::string&, unsigned short,
                  const kube::TlsClientConfig&) -> kube::Result<std::shared_ptr<kube::Transport>> {
               return network_.transport(api_.context(), "kube-apiserver", "webhook");
           }),
      checks_(clock_, api_.cluster(), plan.replicas > 1,
              std::ranges::any_of(plan.events, [](const Event& event) { return event.kind == Kind::clock_jump; })),
      random_(plan.seed) {
    network_.set_latency(std::chrono::microseconds(100),
                         std::max<kube::Duration>(plan.most_latency, std::chrono::milliseconds(1)));
    kube::log::configure(kube::log::Format::text, with_trace ? kube::log::Level::debug : kube::log::Level::warn);
    kube::log::redirect([this](kube::log::Level level, std::string_view line) {
        if (with_trace_) note("    " + running_ + ": " + std::string(line));
        if (level >= kube::log::Level::warn) checks_.on_log(running_, level, line);
    });
    const auto mix = [this](std::uint64_t value) {
        outcome_.fingerprint = (outcome_.fingerprint ^ value) * 0x100000001b3ULL;
    };
    api_.on_call = [this, mix](const ApiCall& call) {
        ++outcome_.calls;
        mix(std::hash<std::string>()(call.from + call.method + call.target));
        mix(static_cast<std::uint64_t>((clock_.steady_now() - began_).count()));
        checks_.on_call(call, network_.connections(call.from));
        if (with_trace_) note(call.from + " " + call.method + " " + call.target);
    };
    api_.on_answer = [this, mix](const ApiCall& call, int status) {
        mix(static_cast<std::uint64_t>(status));
        checks_.on_answer(call, status);
        if (with_trace_)
            note(call.from + " " + call.method + " " + call.target + " -> " +
                 (status == 0 ? "done, but the answer is lost" : std::to_string(status)));
    };
    if (with_trace) {
        api_.cluster().storage.on_change([this](const model::Change& change) {
            std::string what = change.removed ? " removed" : change.before ? " changed" : " created";
            if (change.storage == kRequestTable && !change.removed)
                what += ": " + string_at(*change.object, {"status", "phase"}) + "/" +
                        string_at(*change.object, {"status", "reason"});
            note("  # " + change.storage + " " + change.name + what);
        });
    }
    kubelet_ = std::make_unique<Kubelet>(clock_, api_.cluster().storage, plan.seed);
    api_.on_exec = [this](const std::string& pod, const std::string& container) {
        const bool ran = kubelet_->kill(kNamespace, pod, container);
        note("# command in " + pod + "/" + container + (ran ? "" : ", which does not run"));
        return ran;
    };
    furnish(api_.cluster(), plan.ending);
    replicas_.resize(static_cast<std::size_t>(plan.replicas));
}

World::~World() {
    timers_.clear();
    replicas_.clear();
    ignored_.clear();
    kube::log::redirect({});
}

void World::note(const std::string& text) {
    if (!with_trace_) return;
    char time[32];
    std::snprintf(time, sizeof time, "%10.6f ", std::chrono::duration<double>(clock_.steady_now() - began_).count());
    outcome_.trace.push_back(time + text);
}

void World::start(int which) {
    Replica& replica = replicas_[static_cast<std::size_t>(which)];
    ++replica.lives;
    const std::string name = "operator-" + std::to_string(which) + "." + std::to_string(replica.lives);
    note("* start " + name);
    replica.process = std::make_unique<OperatorProcess>(
        clock_, network_, name,
        OperatorProcess::Settings{.elects = plan_.replicas > 1,
                                  .most_pod_watches = plan_.most_pod_watches,
                                  .wall_offset = replica.wall_offset,
                                  .on_audit = [this](std::string_view line) { checks_.on_audit(line); }});
}

void World::end(int which, const std::string& how) {
    Replica& replica = replicas_[static_cast<std::size_t>(which)];
    if (!replica.process) return;
    note("* " + how + " " + replica.process->name());
    // Who is told to stop while it does not know whether an end is on record cannot count it.
    const bool may_not_know = std::ranges::any_of(plan_.events, [](const Event& event) {
        return event.kind == Kind::lose_answers || event.kind == Kind::time_out || event.kind == Kind::cut ||
               event.kind == Kind::slow || event.kind == Kind::restart_api || event.kind == Kind::partition ||
               event.kind == Kind::silence || event.kind == Kind::stall;
    });
    checks_.on_counted(replica.process->counter("endoscope_debug_requests_total"),
                       replica.process->exit_code() == 0 && !may_not_know);
    replica.process.reset();
    replica.dies_after.reset();
    replica.freezes_after.reset();
    replica.stops_after.reset();
    replica.frozen = false;
    replica.restart = clock_.call_after(kRestartDelay, [this, which] { start(which); });
}

std::optional<Network::Port> World::find_port(const std::string& name) {
    if (name == "api") return api_.port();
    if (no_webhook_ && no_webhook_->amount == 0) return std::nullopt;
    if (no_webhook_) {
        return Network::Port{.context = &api_.context(),
                             .accept = [this](std::unique_ptr<kube::ByteStream> stream, const std::string&) {
                                 ignored_.push_back(std::move(stream));
                                 return true;
                             }};
    }
    std::vector<Network::Port> ports;
    for (const Replica& replica : replicas_) {
        if (!replica.process) continue;
        if (auto port = replica.process->webhook_port()) ports.push_back(std::move(*port));
    }
    if (ports.empty()) return std::nullopt;
    return ports[random_() % ports.size()];
}

void World::freeze(Replica& replica) {
    note("* freeze " + replica.process->name());
    replica.freezes_after.reset();
    replica.frozen = true;
    replica.thaw = clock_.call_after(replica.freezes_for, [&replica] { replica.frozen = false; });
}

void World::terminate(int which) {
    Replica& replica = replicas_[static_cast<std::size_t>(which)];
    const std::string name = replica.process->name();
    note("* SIGTERM to " + name);
    replica.stops_after.reset();
    replica.process->terminate();
    // As its own limit would, and the kubelet after it.
    replica.overtime = clock_.call_after(kShutdownTime, [this, which, name] {
        const auto& process = replicas_[static_cast<std::size_t>(which)].process;
        if (process && process->name() == name) end(which, "overtime:");
    });
}

void World::count_step() {
    ++outcome_.steps;
    for (int i = 0; i < plan_.replicas; ++i) {
        auto& left = replicas_[static_cast<std::size_t>(i)].stops_after;
        if (left && --*left <= 0) terminate(i);
    }
}

bool World::step(int which) {
    Replica& replica = replicas_[static_cast<std::size_t>(which)];
    if (!replica.process || replica.frozen) return false;
    running_ = replica.process->name();
    if (replica.process->context().poll_one() == 0) {
        if (replica.process->exit_code()) end(which, "ended:");
        return false;
    }
    count_step();
    if (replica.freezes_after && --*replica.freezes_after <= 0) freeze(replica);
    if (replica.dies_after && --*replica.dies_after <= 0) end(which, "kill");
    return true;
}

void World::settle() {
    const std::uint64_t limit = outcome_.steps + kMostStepsAtOnce;
    for (bool busy = true; busy && !checks_.violation();) {
        busy = false;
        running_ = "kube-apiserver";
        if (api_.context().poll_one() > 0) {
            count_step();
            busy = true;
        }
        for (int i = 0; i < plan_.replicas; ++i) busy = step(i) || busy;
        if (outcome_.steps > limit) checks_.violated("no busy circle", "handlers run for ever at one moment");
    }
}

void World::after(kube::Duration delay, std::function<void()> what) {
    timers_.push_back(clock_.call_after(delay, std::move(what)));
}

asio::awaitable<int> World::ask(std::string user, std::string method, std::string path, Json body) {
    kube::HttpExchange exchange;
    exchange.request.method = method;
    exchange.request.target = path;
    if (!body.is_null()) {
        exchange.request.headers.set("Content-Type", "application/json");
        exchange.request.body = body.dump();
    }
    exchange.peer = kube::PeerCertificate{.common_name = user, .organizations = {}};
    kube::test::RecordingWriter writer;
    co_await api_.server().handle(exchange, writer);
    note(user + " " + method + " " + path + " -> " + std::to_string(writer.answer.status) +
         (writer.answer.status >= 400 ? " " + writer.answer.body : ""));
    co_return writer.answer.status;
}

asio::awaitable<void> World::create(int which) {
    const Author author = make_request(plan_.seed, which);
    const std::string path = "/apis/endoscope.dev/v1alpha1/namespaces/" + std::string(kNamespace) + "/debugrequests";
    for (int attempt = 0; attempt < kCreateAttempts; ++attempt) {
        const int status = co_await ask(author.user, "POST", path, author.request);
        if (status < 500) co_return;
        // The webhooks cannot be reached; people try again.
        co_await kube::sleep_for(api_.clock(), std::chrono::seconds(4), {});
    }
}

void World::remove(int which) {
    const std::string path =
        "/apis/endoscope.dev/v1alpha1/namespaces/" + std::string(kNamespace) + "/debugrequests/" + request_name(which);
    asio::co_spawn(api_.context(), ask(kAuthorisedUser, "DELETE", path, nullptr), asio::detached);
}

void World::copy_sealed(int which) {
    const auto original = api_.cluster().storage.get(kRequestTable, kNamespace, request_name(which));
    const std::string name = "copied-" + std::to_string(which);
    if (!original || api_.cluster().storage.get(kRequestTable, kNamespace, name)) return;
    Json copy = *original;
    copy.erase("status");
    copy["metadata"]["name"] = name;
    copy["metadata"]["uid"] = api_.cluster().new_uid();
    copy["metadata"]["creationTimestamp"] = api_.cluster().now();
    api_.cluster().storage.put(kRequestTable, kNamespace, name, std::move(copy));
}

void World::forge(int which) {
    const std::string name = "forged-" + std::to_string(which);
    if (api_.cluster().storage.get(kRequestTable, kNamespace, name)) return;
    Json request = make_request(plan_.seed, which).request;
    request["metadata"]["name"] = name;
    request["metadata"]["uid"] = api_.cluster().new_uid();
    request["metadata"]["creationTimestamp"] = api_.cluster().now();
    request["metadata"]["generation"] = 1;
    if (random_() % 2 == 0) {
        request["spec"]["requester"] = {{"username", kAuthorisedUser},
                                        {"stampedAt", api_.cluster().now()},
                                        {"seal", "v1.0123456789.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}};
    }
    api_.cluster().storage.put(kRequestTable, kNamespace, name, std::move(request));
}

void World::tamper(int which) {
    const std::string name = request_name(which);
    const auto before = api_.cluster().storage.get(kRequestTable, kNamespace, name);
    if (!before) return;
    Json changed = *before;
    switch (random_() % 3) {
        case 0:
            changed.erase("status");
            break;
        case 1:
            changed["status"]["phase"] = "Running";
            changed["status"]["targets"] = Json::array();
            break;
        default:
            changed["status"]["phase"] = "Succeeded";
            changed["status"]["reason"] = "Completed";
    }
    if (changed == *before) return;
    checks_.on_tamper(std::string(kNamespace) + "/" + name);
    api_.cluster().storage.put(kRequestTable, kNamespace, name, std::move(changed));
}

void World::lose_keys(const Event& event) {
    model::Cluster& cluster = api_.cluster();
    const auto good = find_seal_secret(cluster);
    if (!good) return;
    if (event.amount == 0) return remove_seal_secret(cluster);
    Json spoilt = *good;
    spoilt["data"]["current"] = "";
    put_seal_secret(cluster, std::move(spoilt));
    after(event.lasts, [this, good] { put_seal_secret(api_.cluster(), Json(*good)); });
}

void World::carry_out(const Event& event) {
    note("* " + describe(event));
    const kube::SteadyTime until = clock_.steady_now() + event.lasts;
    model::Cluster& cluster = api_.cluster();
    const bool of_replica = event.kind >= Kind::crash && event.kind <= Kind::stall;
    const int which = event.which == kLeader ? leader() : event.which;
    Replica* const replica = of_replica ? &replicas_[static_cast<std::size_t>(which)] : nullptr;
    const std::string name = replica != nullptr && replica->process ? replica->process->name() : "";
    if (event.kind == Kind::crash) replica->dies_after = event.amount;  // of its next life when there is none now
    if (replica != nullptr && name.empty()) return;
    switch (event.kind) {
        case Kind::create:
            asio::co_spawn(api_.context(), create(event.which), asio::detached);
            break;
        case Kind::remove:
            remove(event.which);
            break;
        case Kind::recreate:
            remove(event.which);
            after(std::chrono::milliseconds(random_() % 2000),
                  [this, which = event.which] { asio::co_spawn(api_.context(), create(which), asio::detached); });
            break;
        case Kind::copy_sealed:
            copy_sealed(event.which);
            break;
        case Kind::forge:
            forge(event.which);
            break;
        case Kind::tamper:
            tamper(event.which);
            break;
        case Kind::edit_policy:
            if (event.amount == 2) {
                cluster.storage.remove(kPolicyTable, "", "shop");
            } else {
                put_policy(cluster, event.amount, plan_.ending);
            }
            break;
        case Kind::delete_pod:
            cluster.storage.remove("pods", kNamespace, pod_name(event.which));
            break;
        case Kind::replace_pod:
            cluster.storage.remove("pods", kNamespace, pod_name(event.which));
            put_pod(cluster, event.which);
            break;
        case Kind::bypass_webhooks:
            remove_webhooks(cluster);
            after(event.lasts, [this] { put_webhooks(api_.cluster()); });
            break;
        case Kind::rotate_keys:
            if (const auto secret = find_seal_secret(cluster)) {
                Json asked = *secret;
                asked["metadata"]["annotations"]["endoscope.dev/rotate"] = std::to_string(event.at.count());
                put_seal_secret(cluster, std::move(asked));
            }
            break;
        case Kind::lose_keys:
            lose_keys(event);
            break;
        case Kind::crash:
            break;
        case Kind::terminate:
            replica->stops_after = event.amount;
            if (event.amount == 0) terminate(which);
            break;
        case Kind::freeze:
            replica->freezes_for = event.lasts;
            replica->freezes_after = event.amount;
            if (event.amount == 0) freeze(*replica);
            break;
        case Kind::clock_jump:
            replica->wall_offset += std::chrono::seconds(event.amount);
            replica->process->clock().offset = replica->wall_offset;
            break;
        case Kind::partition:
            network_.partition(name, until);
            break;
        case Kind::cut:
            network_.cut_after(name, static_cast<std::size_t>(event.amount));
            break;
        case Kind::silence:
            network_.silence(name);
            break;
        case Kind::stall:
            network_.stall(name, until);
            break;
        case Kind::reject:
        case Kind::conflict:
        case Kind::lose_answers:
        case Kind::time_out:
        case Kind::slow:
            api_.fault(event);
            break;
        case Kind::restart_api:
            api_.set_up(false);
            network_.reset_all("api");
            api_.forget_history();
            after(event.lasts, [this] { api_.set_up(true); });
            break;
        case Kind::compact:
            api_.forget_history();
            break;
        case Kind::no_webhook:
            no_webhook_ = event;
            after(event.lasts, [this] {
                no_webhook_.reset();
                ignored_.clear();
            });
            break;
    }
}

bool World::alive() const {
    if (std::ranges::any_of(replicas_, &Replica::frozen)) return false;
    for (const Replica& replica : replicas_) {
        if (replica.process && replica.process->leads() && replica.process->synced()) return true;
    }
    return false;
}

int World::leader() const {
    for (int i = 0; i < plan_.replicas; ++i) {
        const auto& process = replicas_[static_cast<std::size_t>(i)].process;
        if (process && process->leads()) return i;
    }
    return 0;
}

Outcome World::run() {
    for (int i = 0; i < plan_.replicas; ++i) after(std::chrono::milliseconds(random_() % 500), [this, i] { start(i); });
    for (const Event& event : plan_.events) after(event.at, [this, &event] { carry_out(event); });
    const kube::SteadyTime calm = began_ + plan_.end();
    const kube::SteadyTime limit = calm + kPatience;
    // Whatever broke a watch, the next one may be a back-off away.
    const bool may_be_late =
        std::ranges::any_of(plan_.events, [](const Event& event) { return event.kind >= Kind::crash; });
    const kube::Duration aftermath = may_be_late ? kLongAftermath : kAftermath;
    std::optional<kube::SteadyTime> rest;
    std::uint64_t rounds = 0;
    while (!checks_.violation()) {
        settle();
        if (checks_.violation()) break;
        const kube::SteadyTime now = clock_.steady_now();
        const bool at_rest = now > calm && alive() && checks_.is_settled();
        if (!at_rest) rest.reset();
        if (at_rest && !rest) rest = now;
        if (rest && now - *rest > aftermath) break;
        if (now > limit) {
            checks_.violated("every request comes to an end", "after " + checks_.unsettled());
            break;
        }
        if (!clock_.advance_to_next()) {
            checks_.violated("every request comes to an end", "nothing is going to happen; " + checks_.unsettled());
        }
        rounds = clock_.steady_now() == now ? rounds + 1 : 0;
        if (rounds > kMostRoundsAtOnce) checks_.violated("no busy circle", "timers run for ever at one moment");
    }
    if (!checks_.violation()) {
        for (std::size_t i = 0; i < replicas_.size(); ++i) {
            const auto& process = replicas_[i].process;
            if (!process) continue;
            checks_.on_counted(process->counter("endoscope_debug_requests_total"), true);
            checks_.at_rest(process->name(), process->counter("workqueue_depth"),
                            network_.connections(process->name()));
            if (process->leads())
                checks_.on_shown(process->name(), process->counter("endoscope_debug_requests"),
                                 process->counter("endoscope_debug_sessions_active"));
        }
        checks_.at_rest();
    }
    outcome_.violation = checks_.violation();
    outcome_.simulated = clock_.steady_now() - began_;
    return std::move(outcome_);
}

}  // namespace

Outcome run(const Plan& plan, bool with_trace) {
    return World(plan, with_trace).run();
}

}  // namespace simulation
