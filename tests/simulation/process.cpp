#include "tests/simulation/process.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace simulation {

namespace {

struct Call {
    std::function<void()> run;
    bool cancelled = false;
};

class PostedTimer final : public kube::Timer {
  public:
    PostedTimer(std::shared_ptr<Call> call, std::unique_ptr<kube::Timer> timer)
        : call_(std::move(call)), timer_(std::move(timer)) {}
    ~PostedTimer() override { call_->cancelled = true; }
    PostedTimer(const PostedTimer&) = delete;
    PostedTimer& operator=(const PostedTimer&) = delete;

  private:
    std::shared_ptr<Call> call_;
    std::unique_ptr<kube::Timer> timer_;
};

}  // namespace

std::unique_ptr<kube::Timer> ProcessClock::call_at(kube::SteadyTime when, std::function<void()> callback) {
    auto call = std::make_shared<Call>(std::move(callback));
    auto timer = world_.call_at(when, [call, &context = context_] {
        boost::asio::post(context, [call] {
            // Taken out first: the callback may destroy its own timer.
            if (!call->cancelled) std::exchange(call->run, nullptr)();
        });
    });
    return std::make_unique<PostedTimer>(std::move(call), std::move(timer));
}

}  // namespace simulation
