#include "tests/simulation/shrink.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using simulation::Outcome;
using simulation::Plan;

struct Options {
    std::uint64_t seeds = 1000;
    std::uint64_t first = 1;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    std::optional<std::uint64_t> seed;
    std::vector<std::size_t> only;
    bool trace = false;
    bool no_shrink = false;
    std::uint64_t max_seconds = 0;
    std::string sweep;
    std::uint64_t stride = 1;
};

/// What a worker tells the parent at its end.
struct Totals {
    std::uint64_t seeds = 0;
    std::uint64_t steps = 0;
    std::uint64_t calls = 0;
    double simulated_seconds = 0;
};

void print_plan(const Plan& plan) {
    std::printf(
        "  %d replica(s), latency up to %lld ms\n", plan.replicas,
        static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(plan.most_latency).count()));
    for (std::size_t i = 0; i < plan.events.size(); ++i)
        std::printf("  [%zu] %s\n", i, simulation::describe(plan.events[i]).c_str());
}

std::string joined(const std::vector<std::size_t>& indices) {
    std::string text;
    for (const std::size_t index : indices) text += (text.empty() ? "" : ",") + std::to_string(index);
    return text;
}

void report(const Plan& plan, const Outcome& outcome, bool with_shrinking) {
    std::printf("seed %llu breaks: %s\n  %s\n", static_cast<unsigned long long>(plan.seed),
                outcome.violation->invariant.c_str(), outcome.violation->details.c_str());
    if (!with_shrinking) return;
    const auto kept = simulation::shrink(plan, outcome.violation->invariant);
    std::printf("the smallest plan found that breaks it (%zu of %zu events):\n", kept.size(), plan.events.size());
    print_plan(simulation::only(plan, kept));
    std::printf("replay: endoscope-simulation --seed %llu --only %s --trace\n",
                static_cast<unsigned long long>(plan.seed), joined(kept).c_str());
    std::fflush(stdout);
}

/// The plan of run `number`: of that seed, or, in a sweep, the plain one with one fault at that point.
Plan plan_of(const Options& options, std::uint64_t number) {
    if (options.sweep.empty()) return simulation::make_plan(options.first + number);
    using simulation::Kind;
    // Before the replica starts it can be told when to die, but has no connection yet; who leads must lead by then.
    constexpr std::chrono::milliseconds kConnected(510);
    constexpr std::chrono::milliseconds kLeading(790);
    simulation::Event fault{.amount = static_cast<std::int64_t>(options.first + number * options.stride)};
    if (options.sweep == "crash") fault.kind = Kind::crash;
    if (options.sweep == "cut") {
        fault.kind = Kind::cut;
        fault.at = kConnected;
    }
    if (options.sweep == "stop") {
        fault.kind = Kind::terminate;
        fault.at = kConnected;
    }
    if (options.sweep == "freeze") {
        fault.kind = Kind::freeze;
        fault.at = kLeading;
        fault.which = simulation::kLeader;
        fault.lasts = std::chrono::seconds(20);  // so long that another one takes the Lease
    }
    Plan plan = simulation::make_plain_plan(fault.kind == Kind::freeze ? 2 : 1);
    plan.events.insert(plan.events.begin(), fault);
    return plan;
}

/// Every `jobs`th seed. The exit code: 0 or, at the first violation, 1.
int work(const Options& options, unsigned number, int result) {
    const auto began = std::chrono::steady_clock::now();
    Totals totals;
    int code = 0;
    for (std::uint64_t i = number; i < options.seeds; i += options.jobs) {
        if (options.max_seconds > 0 &&
            std::chrono::steady_clock::now() - began > std::chrono::seconds(options.max_seconds))
            break;
        const Plan plan = plan_of(options, i);
        const Outcome outcome = simulation::run(plan, options.trace);
        for (const std::string& line : outcome.trace) std::printf("%s\n", line.c_str());
        ++totals.seeds;
        totals.steps += outcome.steps;
        totals.calls += outcome.calls;
        totals.simulated_seconds += std::chrono::duration<double>(outcome.simulated).count();
        if (!outcome.violation) continue;
        if (options.sweep.empty()) {
            report(plan, outcome, !options.no_shrink);
        } else {
            std::printf("%s breaks: %s\n  %s\nreplay: endoscope-simulation --sweep %s --first %llu --seeds 1 --trace\n",
                        simulation::describe(plan.events.front()).c_str(), outcome.violation->invariant.c_str(),
                        outcome.violation->details.c_str(), options.sweep.c_str(),
                        static_cast<unsigned long long>(plan.events.front().amount));
        }
        code = 1;
        break;
    }
    if (write(result, &totals, sizeof totals) != sizeof totals) code = 1;
    return code;
}

int run_many(const Options& options) {
    const auto began = std::chrono::steady_clock::now();
    std::vector<pid_t> workers;
    int results[2];
    if (pipe(results) != 0) return 1;
    for (unsigned number = 0; number < options.jobs; ++number) {
        const pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
            close(results[0]);
            const int code = work(options, number, results[1]);
            std::fflush(stdout);
            _exit(code);
        }
        workers.push_back(child);
    }
    close(results[1]);
    bool failed = false;
    for (std::size_t left = workers.size(); left > 0; --left) {
        int status = 0;
        waitpid(-1, &status, 0);
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
            std::printf("a worker died by signal %d\n", WTERMSIG(status));
        if (status != 0 && !failed && options.no_shrink) {
            // One is enough for who asks whether there is any.
            for (const pid_t worker : workers) kill(worker, SIGTERM);
        }
        failed = failed || status != 0;
    }
    Totals sum;
    Totals one;
    while (read(results[0], &one, sizeof one) == sizeof one) {
        sum.seeds += one.seeds;
        sum.steps += one.steps;
        sum.calls += one.calls;
        sum.simulated_seconds += one.simulated_seconds;
    }
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    std::printf("%llu seeds %s in %.1f s: %.1f hours simulated, %llu calls, %llu steps\n",
                static_cast<unsigned long long>(sum.seeds), failed ? "run, some BROKEN," : "passed", took,
                sum.simulated_seconds / 3600, static_cast<unsigned long long>(sum.calls),
                static_cast<unsigned long long>(sum.steps));
    return failed ? 1 : 0;
}

int run_one(const Options& options) {
    Plan plan = simulation::make_plan(*options.seed);
    if (!options.only.empty()) plan = simulation::only(plan, options.only);
    std::printf("seed %llu\n", static_cast<unsigned long long>(plan.seed));
    print_plan(plan);
    const Outcome outcome = simulation::run(plan, options.trace);
    for (const std::string& line : outcome.trace) std::printf("%s\n", line.c_str());
    std::printf("%.3f s simulated, %llu calls, %llu steps, fingerprint %016llx\n",
                std::chrono::duration<double>(outcome.simulated).count(),
                static_cast<unsigned long long>(outcome.calls), static_cast<unsigned long long>(outcome.steps),
                static_cast<unsigned long long>(outcome.fingerprint));
    if (!outcome.violation) return 0;
    if (options.trace || !options.only.empty()) {
        std::printf("BROKEN: %s\n  %s\n", outcome.violation->invariant.c_str(), outcome.violation->details.c_str());
    } else {
        report(plan, outcome, !options.no_shrink);
    }
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{"Runs the whole operator against the model API server under a virtual clock, with seeded faults."};
    app.add_option("--seeds", options.seeds, "how many seeds to run")->capture_default_str();
    app.add_option("--first", options.first, "the first of them")->capture_default_str();
    app.add_option("--jobs", options.jobs, "processes side by side")->capture_default_str();
    app.add_option("--max-seconds", options.max_seconds, "begin no further seed after so long; 0 = no limit");
    app.add_option("--seed", options.seed, "run this seed alone, exactly as it ran before");
    app.add_option("--sweep", options.sweep,
                   "instead of seeds: one plain life, killed, stopped, frozen or cut off after ever more")
        ->check(CLI::IsMember({"crash", "cut", "freeze", "stop"}));
    app.add_option("--stride", options.stride, "of a sweep: steps or bytes from one run to the next")
        ->capture_default_str();
    app.add_option("--only", options.only, "with --seed: only these of its events")->delimiter(',');
    app.add_flag("--trace", options.trace, "print all that happens");
    app.add_flag("--no-shrink", options.no_shrink, "report a failure as it is");
    CLI11_PARSE(app, argc, argv);
    return options.seed ? run_one(options) : run_many(options);
}
