#include "tests/simulation/plan.hpp"

#include <algorithm>
#include <cstdio>
#include <random>

namespace simulation {

namespace {

using std::chrono::milliseconds;

constexpr int kRequests = 6;
constexpr int kPods = 3;
/// One whose request 0 is allowed, runs and ends.
constexpr std::uint64_t kPlainSeed = 2;

class Planner {
  public:
    explicit Planner(std::uint64_t seed) : random_(seed), key_random_(seed + 0x5ea1) {
        plan_.seed = seed;
        // Not drawn from the stream of the plan, so that the rest of it does not depend on this.
        constexpr Ending kEndings[] = {Ending::report, Ending::report, Ending::terminate, Ending::evict,
                                       Ending::evict_after_session};
        plan_.ending = kEndings[std::mt19937_64(seed + 0xe4d)() % std::size(kEndings)];
    }

    Plan make() {
        plan_.replicas = chance(40) ? 2 : 1;
        plan_.most_latency = milliseconds(pick({1, 5, 50, 400}));
        plan_.most_pod_watches = chance(30) ? 1 : 32;
        length_ = number(5, 40) * 1000;
        // A stalled process cannot take back what it has sent, nor can a network that holds it: not both in one run.
        may_freeze_ = chance(50);
        const auto requests = static_cast<int>(number(1, kRequests));
        for (int i = 0; i < requests; ++i) add(Kind::create, i);
        for (int i = static_cast<int>(number(0, 3)); i > 0; --i) happen();
        const std::int64_t faults = chance(10) ? 0 : number(1, 8);
        for (std::int64_t i = 0; i < faults; ++i) go_wrong();
        // A leader that sleeps through its lease in the middle of something is what fencing is about.
        if (plan_.replicas > 1 && may_freeze_ && chance(60)) freeze(kLeader, 15000, 35000);
        // Nor may an injection that nobody answered be forgotten when the policy changes before it is seen.
        if (chance(10)) tighten_amid_lost_answers();
        touch_keys();
        // By time, then by position: the sort itself need not be stable.
        std::vector<std::pair<kube::Duration, std::size_t>> order;
        for (std::size_t i = 0; i < plan_.events.size(); ++i) order.emplace_back(plan_.events[i].at, i);
        std::ranges::sort(order);
        std::vector<Event> sorted;
        for (const auto& [at, index] : order) sorted.push_back(plan_.events[index]);
        plan_.events = std::move(sorted);
        return std::move(plan_);
    }

  private:
    bool chance(int percent) { return number(1, 100) <= percent; }
    std::int64_t number(std::int64_t least, std::int64_t most) {
        return least + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(most - least + 1));
    }
    std::int64_t pick(std::initializer_list<std::int64_t> of) {
        return *(of.begin() + number(0, static_cast<std::int64_t>(of.size()) - 1));
    }
    Event& add(Kind kind, int which) {
        Event event;
        event.at = milliseconds(number(0, length_));
        event.kind = kind;
        event.which = which;
        plan_.events.push_back(event);
        return plan_.events.back();
    }
    /// Moves a fault to where something is being done, more often than not: most of the time nothing happens.
    Event& amid_work(Event& event) {
        if (!chance(60)) return event;
        std::vector<kube::Duration> creations;
        for (const Event& other : plan_.events) {
            if (other.kind == Kind::create || other.kind == Kind::recreate) creations.push_back(other.at);
        }
        const auto index = static_cast<std::size_t>(number(0, static_cast<std::int64_t>(creations.size()) - 1));
        event.at = creations[index] + milliseconds(number(0, 3000));
        return event;
    }
    int request() { return static_cast<int>(number(0, kRequests - 1)); }
    int pod() { return static_cast<int>(number(0, kPods - 1)); }
    int replica() { return static_cast<int>(number(0, plan_.replicas - 1)); }

    /// Something that people do.
    void happen() {
        switch (number(0, 9)) {
            case 0:
                add(Kind::remove, request());
                break;
            case 1:
                add(Kind::recreate, request());
                break;
            case 2:
                add(Kind::copy_sealed, request());
                break;
            case 3:
                add(Kind::forge, request());
                break;
            case 4:
                add(Kind::tamper, request());
                break;
            case 5:
            case 6:
                add(Kind::edit_policy, 0).amount = number(0, 2);
                break;
            case 7:
                add(Kind::delete_pod, pod());
                break;
            case 8:
                add(Kind::replace_pod, pod());
                break;
            default:
                add(Kind::bypass_webhooks, 0).lasts = milliseconds(number(100, 5000));
        }
    }

    void window(Kind kind, std::int64_t amount, std::int64_t longest) {
        Event& event = amid_work(add(kind, 0));
        event.amount = amount;
        event.lasts = milliseconds(number(100, longest));
        event.percent = static_cast<int>(pick({10, 30, 60, 100}));
    }

    void freeze(int which, std::int64_t least, std::int64_t most) {
        Event& event = amid_work(add(Kind::freeze, which));
        event.amount = number(0, 400);
        event.lasts = milliseconds(number(least, most));
    }

    void tighten_amid_lost_answers() {
        Event& lost = amid_work(add(Kind::lose_answers, 0));
        lost.amount = 1;
        lost.lasts = milliseconds(5000);
        const kube::Duration then = lost.at + milliseconds(number(0, 3000));
        add(Kind::edit_policy, 0).at = then;
    }

    /// Drawn from a stream of its own, so that the rest of a seed's plan does not depend on it.
    void touch_keys() {
        const auto draw = [this](std::int64_t most) {
            return static_cast<std::int64_t>(key_random_() % static_cast<std::uint64_t>(most + 1));
        };
        const auto at = [&](Kind kind) -> Event& {
            plan_.events.push_back({.at = milliseconds(draw(length_)), .kind = kind});
            return plan_.events.back();
        };
        if (draw(99) < 40) at(Kind::rotate_keys).at /= 2;  // it takes its time until the key is in use
        if (draw(99) < 15) at(Kind::rotate_keys);
        if (draw(99) >= 12) return;
        Event& lost = at(Kind::lose_keys);
        lost.amount = draw(1);
        if (lost.amount == 1) lost.lasts = milliseconds(100 + draw(20000));
    }

    void go_wrong() {
        switch (number(0, 17)) {
            case 0:
            case 1:
            case 2:
                amid_work(add(Kind::crash, replica())).amount = number(0, 400);
                break;
            case 3:
                amid_work(add(Kind::terminate, replica())).amount = number(0, 800);
                break;
            case 4:
                if (may_freeze_) {
                    freeze(replica(), 100, 30000);
                } else {
                    amid_work(add(Kind::partition, replica())).lasts = milliseconds(number(100, 40000));
                }
                break;
            case 5:
                add(Kind::clock_jump, replica()).amount = pick({-100000, -3600, -30, -1, 1, 30, 3600, 100000});
                break;
            case 6:
            case 7:
                amid_work(add(Kind::cut, replica())).amount = chance(50) ? number(1, 3000) : number(1, 60000);
                break;
            case 8:
                if (may_freeze_) {
                    add(Kind::crash, replica()).amount = number(0, 400);
                } else {
                    add(Kind::silence, replica());
                }
                break;
            case 9:
                if (may_freeze_) {
                    freeze(kLeader, 14000, 30000);
                } else {
                    amid_work(add(Kind::stall, replica())).lasts = milliseconds(number(100, 30000));
                }
                break;
            case 10:
                window(Kind::reject, pick({429, 500, 503, 504}), 20000);
                break;
            case 11:
                window(Kind::conflict, 0, 5000);
                break;
            case 12:
                window(Kind::lose_answers, number(0, 1), 10000);
                break;
            case 13:
                window(Kind::time_out, 0, 10000);
                break;
            case 14:
                window(Kind::slow, pick({50, 1000, 8000, 35000}), 20000);
                break;
            case 15:
                add(Kind::restart_api, 0).lasts = milliseconds(number(100, 25000));
                break;
            case 16:
                add(Kind::compact, 0);
                break;
            default:
                window(Kind::no_webhook, number(0, 1), 10000);
        }
    }

    std::mt19937_64 random_;
    std::mt19937_64 key_random_;
    Plan plan_;
    std::int64_t length_ = 0;
    bool may_freeze_ = false;
};

std::string seconds(kube::Duration time) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3fs", std::chrono::duration<double>(time).count());
    return text;
}

}  // namespace

kube::Duration Plan::end() const {
    kube::Duration last{};
    for (const Event& event : events) last = std::max(last, event.at + event.lasts);
    return last;
}

Plan make_plan(std::uint64_t seed) {
    return Planner(seed).make();
}

Plan make_plain_plan(int replicas) {
    Plan plan;
    plan.seed = kPlainSeed;
    plan.replicas = replicas;
    plan.most_latency = milliseconds(1);
    plan.events = {{.at = milliseconds(800), .kind = Kind::create, .which = 0}};
    return plan;
}

std::string describe(const Event& event) {
    const std::string which = event.which == kLeader ? "that leads" : std::to_string(event.which);
    const std::string amount = std::to_string(event.amount);
    const auto what = [&]() -> std::string {
        switch (event.kind) {
            case Kind::create:
                return "create request " + which;
            case Kind::remove:
                return "delete request " + which;
            case Kind::recreate:
                return "delete request " + which + " and create it again";
            case Kind::copy_sealed:
                return "copy the sealed request " + which + " to another name";
            case Kind::forge:
                return "write request " + which + " without a seal";
            case Kind::tamper:
                return "overwrite the status of request " + which;
            case Kind::edit_policy:
                return event.amount == 0 ? "tighten the policy" : event.amount == 1 ? "loosen it" : "remove the policy";
            case Kind::delete_pod:
                return "Pod " + which + " vanishes";
            case Kind::replace_pod:
                return "Pod " + which + " is replaced by another of its name";
            case Kind::bypass_webhooks:
                return "no webhook configurations";
            case Kind::rotate_keys:
                return "ask for a new seal key";
            case Kind::lose_keys:
                return event.amount == 0 ? "delete the seal keys" : "spoil the seal keys";
            case Kind::crash:
                return "kill replica " + which + " after " + amount + " steps";
            case Kind::terminate:
                return "SIGTERM to replica " + which + " after " + amount + " steps of anybody";
            case Kind::freeze:
                return "freeze replica " + which + " after " + amount + " steps";
            case Kind::clock_jump:
                return "the wall clock of replica " + which + " jumps by " + amount + " s";
            case Kind::partition:
                return "partition replica " + which;
            case Kind::cut:
                return "cut a connection of replica " + which + " after " + amount + " bytes";
            case Kind::silence:
                return "connections of replica " + which + " die silently";
            case Kind::stall:
                return "what replica " + which + " should receive is held back";
            case Kind::reject:
                return "the API server answers " + amount;
            case Kind::conflict:
                return "the API server answers PATCH with 409";
            case Kind::lose_answers:
                return event.amount == 0 ? "answers are lost" : "answers to writes are lost";
            case Kind::time_out:
                return "requests are carried out and answered 504";
            case Kind::slow:
                return "the API server takes up to " + amount + " ms";
            case Kind::restart_api:
                return "the API server restarts";
            case Kind::compact:
                return "compaction";
            case Kind::no_webhook:
                return event.amount == 0 ? "webhooks cannot be reached" : "webhooks never answer";
        }
        return "?";
    }();
    std::string text = seconds(event.at) + " " + what;
    if (event.lasts > kube::Duration::zero()) text += ", for " + seconds(event.lasts);
    if (event.percent < 100) text += ", " + std::to_string(event.percent) + " %";
    return text;
}

}  // namespace simulation
