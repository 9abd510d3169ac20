#include "kube/base/signal.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace kube {
namespace asio = boost::asio;

/// A timer that never expires: cancelling it is Asio's cheapest broadcast.
struct Signal::Impl {
    explicit Impl(const asio::any_io_executor& executor) : timer(executor, SteadyTimePoint::max()) {}
    using SteadyTimePoint = asio::steady_timer::time_point;
    asio::steady_timer timer;
};

Signal::Signal(asio::any_io_executor executor) : impl_(std::make_shared<Impl>(executor)) {}

Signal::~Signal() {
    impl_->timer.cancel();
}

asio::awaitable<void> Signal::wait() {
    const auto impl = impl_;  // keeps the timer alive when the signal dies while somebody waits
    co_await impl->timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

void Signal::notify_all() {
    impl_->timer.cancel();
}

}  // namespace kube
