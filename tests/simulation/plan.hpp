#pragma once

#include "kube/base/clock.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace simulation {

/// What can happen in a simulated cluster.
enum class Kind {
    // people
    create,           ///< Somebody applies request `which`.
    remove,           ///< Somebody deletes request `which`.
    recreate,         ///< GitOps deletes and applies the same manifest again.
    copy_sealed,      ///< Somebody posts the sealed request `which` under another name, past the webhook.
    forge,            ///< Somebody writes request `which` without a seal, past the webhook.
    tamper,           ///< Somebody overwrites the status of request `which`.
    edit_policy,      ///< The admin tightens (amount 0) or loosens (1) the policy, or removes (2) it.
    delete_pod,       ///< Pod `which` vanishes.
    replace_pod,      ///< Pod `which` vanishes and another one takes its name.
    bypass_webhooks,  ///< The webhook configurations are gone for a while.
    rotate_keys,      ///< The admin asks for a new seal key.
    lose_keys,        ///< Somebody deletes the seal keys (amount 0), or spoils them for a while (1).
    // the operator's processes
    crash,       ///< Replica `which` is killed `amount` of its steps later and started again.
    terminate,   ///< Replica `which` gets SIGTERM `amount` steps of anybody later, and is started again.
    freeze,      ///< Replica `which` does not run for a while, from `amount` of its steps later.
    clock_jump,  ///< The wall clock of replica `which` jumps by `amount` seconds.
    // the network
    partition,  ///< Replica `which` and the API server do not hear of each other.
    cut,        ///< The connection of replica `which` breaks after `amount` more bytes.
    silence,    ///< The present connections of replica `which` go dead without a word.
    stall,      ///< What the API server sends to some connections of replica `which` is held back.
    // the API server
    reject,        ///< Requests are answered with code `amount`, some with Retry-After; nothing is done.
    conflict,      ///< PATCHes are answered 409.
    lose_answers,  ///< Requests (with amount 1: writes) are carried out, and the connection ends without an answer.
    time_out,      ///< Requests are carried out and answered 504.
    slow,          ///< Requests wait up to `amount` milliseconds before anything is done.
    restart_api,   ///< The API server is away for a while, and has forgotten its watch history afterwards.
    compact,       ///< etcd forgets its history.
    no_webhook,    ///< The webhooks cannot be reached (amount 0), or never answer (1).
};

/// Instead of a replica: the one that leads.
inline constexpr int kLeader = -1;

/// One thing that happens.
struct Event {
    kube::Duration at{};  ///< From the start of the run.
    Kind kind{};
    int which = 0;            ///< A request, a Pod or a replica (or kLeader), by `kind`.
    std::int64_t amount = 0;  ///< See `Kind`.
    kube::Duration lasts{};   ///< For what goes on for a while.
    int percent = 100;        ///< Of the requests that meet the fault.
};

/// What the policy wants at the end of sessions.
enum class Ending { report, terminate, evict, evict_after_session };

/// A whole run: the same plan gives the same run.
struct Plan {
    std::uint64_t seed = 0;
    int replicas = 1;  ///< With more than one they elect a leader.
    kube::Duration most_latency{};
    std::size_t most_pod_watches = 32;  ///< Before Pods of a namespace share one.
    Ending ending = Ending::report;
    std::vector<Event> events;   ///< By time.
    kube::Duration end() const;  ///< When the last fault is over.
};

/// The plan of a seed.
Plan make_plan(std::uint64_t seed);

/// A plan in which one request lives its whole life, for sweeps through it.
Plan make_plain_plan(int replicas);

/// One line, e.g. "12.345s crash replica 0 after 17 steps".
std::string describe(const Event& event);

}  // namespace simulation
