#include "kube/net/async_stream.hpp"

namespace kube {
namespace asio = boost::asio;

asio::awaitable<AsyncByteStream::Transferred> AsyncByteStream::read(std::span<char> space) {
    if (space.empty()) co_return Transferred{{}, 0};
    auto count = co_await stream_->read_some(space);
    if (!count) co_return failed(std::move(count.error()));
    if (*count == 0) co_return Transferred{asio::error::eof, 0};
    co_return Transferred{{}, *count};
}

asio::awaitable<AsyncByteStream::Transferred> AsyncByteStream::write(std::string_view bytes) {
    auto written = co_await stream_->write(bytes);
    if (!written) co_return failed(std::move(written.error()));
    co_return Transferred{{}, bytes.size()};
}

AsyncByteStream::Transferred AsyncByteStream::failed(Error error) {
    const bool cancelled = error.kind == ErrorKind::cancelled;
    if (!failure_) failure_ = std::move(error);
    return {cancelled ? asio::error::operation_aborted : asio::error::connection_reset, 0};
}

}  // namespace kube
