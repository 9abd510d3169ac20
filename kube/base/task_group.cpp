#include "kube/base/task_group.hpp"

#include "kube/base/log.hpp"

#include <boost/asio/co_spawn.hpp>

#include <map>

namespace kube {
namespace asio = boost::asio;

struct TaskGroup::State {
    explicit State(const asio::any_io_executor& executor) : changed(executor) {}
    Signal changed;
    std::size_t running = 0;
    std::map<std::string, std::size_t> names;
    std::exception_ptr failure;
};

namespace {

std::string describe(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        return error.what();
    } catch (...) {
        return "unknown exception";
    }
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : executor_(std::move(executor)), state_(std::make_shared<State>(executor_)) {}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(std::string name, asio::awaitable<void> task) {
    ++state_->running;
    ++state_->names[name];
    asio::co_spawn(executor_, std::move(task), [state = state_, name = std::move(name)](std::exception_ptr failure) {
        --state->running;
        if (--state->names[name] == 0) state->names.erase(name);
        if (failure) {
            log::error("tasks", "a task ended with an exception", {{"task", name}, {"error", describe(failure)}});
            if (!state->failure) state->failure = failure;
        }
        state->changed.notify_all();
    });
}

asio::awaitable<void> TaskGroup::join() {
    const auto state = state_;
    while (state->running > 0) co_await state->changed.wait();
    if (state->failure) std::rethrow_exception(state->failure);
}

std::size_t TaskGroup::running() const {
    return state_->running;
}

std::string TaskGroup::names() const {
    std::string text;
    for (const auto& [name, count] : state_->names) {
        if (!text.empty()) text += ", ";
        text += name;
        if (count > 1) text += " (" + std::to_string(count) + ")";
    }
    return text;
}

}  // namespace kube
