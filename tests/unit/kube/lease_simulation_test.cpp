// Several processes, one Lease and a network that does everything a network does, from a seed.
#include "kube/runtime/lease.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <queue>
#include <tuple>

namespace kube {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kMaxRestart = seconds(1);
constexpr int kMaxDriftPercent = 5;

/// splitmix64: small, fast, and the same on every machine.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31U);
    }
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
    }
    Duration between(Duration low, Duration high) { return Duration(between(low.count(), high.count())); }
    bool percent(std::int64_t chance) { return between(0, 99) < chance; }

  private:
    std::uint64_t state_;
};

/// The Lease as the API server keeps it: a lock by resourceVersion, and a write that changes nothing is no write.
class Server {
  public:
    Result<Lease> read() const {
        if (!lease_) return fail(ErrorKind::not_found, "no Lease");
        return *lease_;
    }
    Result<Lease> write(const LeaseFsm::Write& write) {
        if (write.resource_version.empty()) {
            if (lease_) return fail(ErrorKind::already_exists, "there is one");
        } else {
            if (!lease_) return fail(ErrorKind::not_found, "no Lease");
            if (lease_->resource_version != write.resource_version) return fail(ErrorKind::conflict, "it has changed");
            if (lease_->record == write.record) return *lease_;
        }
        lease_ = Lease{.record = write.record, .resource_version = std::to_string(++version_)};
        return *lease_;
    }
    std::string_view holder() const { return lease_ ? std::string_view(lease_->record.holder) : std::string_view(); }

  private:
    std::optional<Lease> lease_;
    std::uint64_t version_ = 0;
};

/// What happened in all seeds together: a simulation in which nothing happens shows nothing.
struct Tally {
    int elected = 0;
    int lost = 0;
    int released = 0;
    int killed = 0;
    int late_writes = 0;  ///< Made by the server after their sender had given up.
};

class Simulation {
  public:
    Simulation(std::uint64_t seed, Tally& tally) : dice_(seed), tally_(tally) {
        loss_ = dice_.between(0, 30);
        errors_ = dice_.between(0, 20);
        slow_ = dice_.between(0, 20);
        calm_from_ = dice_.between(seconds(15), seconds(45));
        processes_.resize(static_cast<std::size_t>(dice_.between(2, 3)));
        for (std::size_t i = 0; i < processes_.size(); ++i)
            schedule(dice_.between(Duration(0), seconds(3)), i, What::boot);
        for (std::int64_t i = dice_.between(0, 6); i > 0; --i) {
            static constexpr What kFaults[] = {What::freeze, What::cut_off, What::kill, What::stop, What::jump};
            schedule(dice_.between(Duration(0), calm_from_), pick(), kFaults[dice_.between(0, 4)]);
        }
    }

    void run() {
        const LeaseTimes times;
        // A time-out that began before, the longest wait, the lease itself: by the slowest of the clocks.
        const Duration bound =
            (times.renew_deadline / 2 + times.retry_period * 11 / 5 + times.lease) * (100 + kMaxDriftPercent) / 100 +
            kMaxRestart + seconds(1);
        while (now_ < calm_from_ + bound && !::testing::Test::HasFailure()) {
            if (calm() && leaders() == 1 && ++steps_with_leader_ == 20) return;
            step();
        }
        EXPECT_EQ(leaders(), 1) << "nobody leads although all is well";
    }

  private:
    enum class What { boot, wake, arrive, answer, freeze, cut_off, kill, stop, jump };
    struct Event {
        Duration at;
        std::uint64_t order;
        std::size_t process;
        What what;
        std::uint64_t token;  ///< Of the action it belongs to; one that has been given up is nobody's business.
        std::size_t message;
        bool operator>(const Event& other) const { return std::tie(at, order) > std::tie(other.at, other.order); }
    };
    struct Message {
        std::optional<LeaseFsm::Write> write;
        Result<Lease> answer = fail(ErrorKind::timeout, "no answer");
    };
    struct Process {
        std::unique_ptr<LeaseFsm> fsm;  ///< None while it is down.
        std::string identity;
        Duration steady_origin{};
        std::int64_t percent = 100;  ///< How fast its steady clock runs.
        WallTime wall_origin;
        microseconds wall_step{1};  ///< A coarse clock shows the same time again and again.
        Duration frozen_until{};
        Duration cut_off_from{};
        Duration cut_off_until{};  ///< Nothing that it sends arrives, nor any answer to it.
        std::uint64_t token = 0;
        bool freeze_when_sent = false;  ///< Between its next write and the answer.
        bool writing = false;
        bool requesting = false;
        bool stopping = false;
    };

    bool calm() const { return now_ >= calm_from_; }
    bool cut_off(const Process& p) const { return !calm() && now_ >= p.cut_off_from && now_ < p.cut_off_until; }
    std::size_t pick() { return static_cast<std::size_t>(dice_.between(0, std::ssize(processes_) - 1)); }
    void schedule(Duration after, std::size_t process, What what, std::uint64_t token = 0, std::size_t message = 0) {
        events_.push({now_ + after, ++order_, process, what, token, message});
    }
    /// The true time after which the process's own clock has moved by `own`: no timer fires early.
    static Duration real(const Process& p, Duration own) { return own * 100 / p.percent + std::chrono::nanoseconds(1); }
    SteadyTime steady(const Process& p) const { return SteadyTime(p.steady_origin + now_ * p.percent / 100); }
    LeaseFsm::Instant instant(const Process& p) const {
        const auto wall = p.wall_origin + std::chrono::duration_cast<microseconds>(now_);
        return {steady(p), WallTime(wall.time_since_epoch() / p.wall_step * p.wall_step)};
    }
    Duration delay() {
        if (calm() || !dice_.percent(slow_)) return dice_.between(milliseconds(1), milliseconds(30));
        return dice_.between(milliseconds(30), dice_.percent(20) ? seconds(40) : seconds(8));
    }

    int leaders() const {
        int count = 0;
        for (const Process& p : processes_) count += p.fsm && p.fsm->is_leader(steady(p)) ? 1 : 0;
        return count;
    }

    void check() const {
        EXPECT_LE(leaders(), 1) << "two lead at " << now_.count();
        for (const Process& p : processes_) {
            if (!p.fsm || !p.fsm->is_leader(steady(p))) continue;
            EXPECT_EQ(server_.holder(), p.identity) << "it leads and does not hold the lease at " << now_.count();
        }
    }

    void step() {
        const Event event = events_.top();
        events_.pop();
        now_ = event.at;
        Process& p = processes_[event.process];
        if (event.what == What::arrive) {
            arrive(event);
        } else if (event.what == What::kill || now_ >= p.frozen_until) {
            happen(event, p);
        } else {
            // A frozen process finds its timers and its answers when it is thawed, in any order.
            Event later = event;
            later.at = p.frozen_until + dice_.between(Duration(0), milliseconds(1));
            events_.push(later);
        }
        if (!calm()) last_faulty_ = order_;
        check();
    }

    void happen(const Event& event, Process& p) {
        const bool current = p.fsm && event.token == p.token;
        switch (event.what) {
            case What::boot:
                boot(event.process, p);
                break;
            case What::wake:
                if (current) perform(event.process, report(p, fail(ErrorKind::timeout, "no answer")));
                break;
            case What::answer:
                if (current) perform(event.process, report(p, messages_[event.message].answer));
                break;
            case What::freeze:
                p.freeze_when_sent = dice_.percent(50);
                if (!p.freeze_when_sent) freeze(p);
                break;
            case What::cut_off:
                cut_off(p, now_);
                break;
            case What::jump:
                p.wall_origin += microseconds(dice_.between(seconds(-100), seconds(100)) / microseconds(1));
                break;
            case What::kill:
                if (p.fsm) ++tally_.killed;
                go_down(event.process, p);
                break;
            case What::stop:
                if (!p.fsm || p.stopping) break;
                p.stopping = true;
                if (p.requesting) report(p, fail(ErrorKind::cancelled, "stopped"));
                perform(event.process, p.fsm->release(instant(p)));
                break;
            case What::arrive:
                break;
        }
    }

    void boot(std::size_t index, Process& p) {
        p = Process{};
        p.token = ++tokens_;
        p.identity = "process-" + std::to_string(p.token);
        p.fsm = std::make_unique<LeaseFsm>(p.identity, LeaseTimes(), dice_.next());
        p.steady_origin = dice_.between(std::chrono::hours(1), std::chrono::hours(9000));
        p.percent = dice_.between(100 - kMaxDriftPercent, 100 + kMaxDriftPercent);
        p.wall_origin = WallTime(seconds(dice_.between(0, 4'000'000'000)));
        if (dice_.percent(30)) p.wall_step = dice_.percent(50) ? seconds(1) : seconds(3600);
        perform(index, p.fsm->start(instant(p)));
    }

    void freeze(Process& p) {
        p.frozen_until = std::min(now_ + dice_.between(Duration(0), seconds(dice_.percent(50) ? 10 : 40)), calm_from_);
        if (dice_.percent(50)) cut_off(p, p.frozen_until);
        p.freeze_when_sent = false;
    }

    void cut_off(Process& p, Duration from) {
        p.cut_off_from = from;
        p.cut_off_until = from + dice_.between(Duration(0), seconds(30));
    }

    void go_down(std::size_t index, Process& p) {
        if (!p.fsm) return;
        p.fsm.reset();
        p.frozen_until = {};
        schedule(dice_.between(Duration(0), kMaxRestart), index, What::boot);
    }

    LeaseFsm::Action report(Process& p, const Result<Lease>& answer) {
        if (!p.requesting) return p.fsm->on_waited(instant(p));
        const bool led = p.fsm->leading();
        auto next = p.writing ? p.fsm->on_written(answer, instant(p)) : p.fsm->on_read(answer, instant(p));
        tally_.elected += !led && p.fsm->leading() ? 1 : 0;
        return next;
    }

    void perform(std::size_t index, LeaseFsm::Action action) {
        Process& p = processes_[index];
        p.token = ++tokens_;
        p.requesting = false;
        if (const auto* end = std::get_if<LeaseFsm::End>(&action)) {
            tally_.lost += end->how == LeaseEnd::lost ? 1 : 0;
            tally_.released += end->how == LeaseEnd::released ? 1 : 0;
            go_down(index, p);
            return;
        }
        if (const auto* wait = std::get_if<LeaseFsm::Wait>(&action)) {
            ASSERT_GE(wait->delay, Duration(0));
            schedule(real(p, wait->delay), index, What::wake, p.token);
            return;
        }
        p.requesting = true;
        Message message;
        Duration timeout = seconds(0);
        if (auto* write = std::get_if<LeaseFsm::Write>(&action)) {
            timeout = write->timeout;
            message.write = std::move(*write);
        } else {
            timeout = std::get<LeaseFsm::Read>(action).timeout;
        }
        ASSERT_GT(timeout, Duration(0));
        p.writing = message.write.has_value();
        messages_.push_back(std::move(message));
        schedule(real(p, timeout), index, What::wake, p.token);
        const std::size_t number = messages_.size() - 1;
        if (cut_off(p)) return;
        if (p.freeze_when_sent && p.writing && !calm()) freeze(p);
        if (calm() || !dice_.percent(loss_)) schedule(delay(), index, What::arrive, p.token, number);
        if (!calm() && dice_.percent(loss_ / 3)) schedule(delay(), index, What::arrive, p.token, number);
    }

    void arrive(const Event& event) {
        Message& message = messages_[event.message];
        // What was on its way when the faults end is lost: from then on nothing is late.
        if (calm() && event.order <= last_faulty_) return;
        if (!calm() && dice_.percent(errors_)) {
            if (message.write && dice_.percent(50)) message.answer = server_.write(*message.write);
            message.answer = fail(ErrorKind::server, "etcdserver: request timed out");
        } else {
            const bool is_late = message.write && processes_[event.process].token != event.token;
            message.answer = message.write ? server_.write(*message.write) : server_.read();
            tally_.late_writes += is_late && message.answer ? 1 : 0;
        }
        if (cut_off(processes_[event.process]) || (!calm() && dice_.percent(loss_))) return;
        schedule(delay(), event.process, What::answer, event.token, event.message);
    }

    Dice dice_;
    Tally& tally_;
    std::int64_t loss_ = 0;
    std::int64_t errors_ = 0;
    std::int64_t slow_ = 0;
    Duration now_{};
    Duration calm_from_{};
    std::uint64_t order_ = 0;
    std::uint64_t last_faulty_ = 0;  ///< The last event that was made before the faults ended.
    std::uint64_t tokens_ = 0;
    int steps_with_leader_ = 0;
    Server server_;
    std::vector<Process> processes_;
    std::vector<Message> messages_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

TEST(LeaseSimulation, NeverTwoLeadAndSoonOneDoes) {
    constexpr std::uint64_t kSeeds = 2000;
    Tally tally;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Simulation(seed, tally).run();
        if (HasFailure()) break;
    }
    EXPECT_GT(tally.elected, 3000);
    EXPECT_GT(tally.lost, 100);
    EXPECT_GT(tally.released, 100);
    EXPECT_GT(tally.killed, 100);
    EXPECT_GT(tally.late_writes, 50);
}

}  // namespace
}  // namespace kube
