#include "tests/support/memory_stream.hpp"

#include <algorithm>

namespace kube::test {
namespace asio = boost::asio;

struct MemoryStream::Pipe {
    explicit Pipe(const asio::any_io_executor& executor) : changed(executor) {}
    std::string bytes;
    bool ended = false;        ///< The writing end is gone.
    bool broken = false;       ///< Ended by a reset.
    bool reader_gone = false;  ///< Writes have nowhere to go.
    Signal changed;
};

MemoryStream::MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out, MemoryStreamOptions options)
    : in_(std::move(in)), out_(std::move(out)), options_(options) {}

MemoryStream::~MemoryStream() {
    close();
}

asio::awaitable<Result<std::size_t>> MemoryStream::read_some(std::span<char> buffer) {
    const auto pipe = in_;
    for (;;) {
        if (closed_) co_return fail(ErrorKind::cancelled, "closed");
        if (pipe->broken) co_return fail(ErrorKind::transport, "connection reset by peer");
        if (!pipe->bytes.empty()) break;
        if (pipe->ended) co_return std::size_t{0};
        co_await pipe->changed.wait();
    }
    const std::size_t count = std::min({buffer.size(), pipe->bytes.size(), options_.read_limit});
    std::copy_n(pipe->bytes.begin(), count, buffer.begin());
    pipe->bytes.erase(0, count);
    pipe->changed.notify_all();
    co_return count;
}

asio::awaitable<Result<void>> MemoryStream::write(std::string_view bytes) {
    const auto pipe = out_;
    write_sizes.push_back(bytes.size());
    while (!bytes.empty()) {
        if (closed_) co_return fail(ErrorKind::cancelled, "closed");
        if (pipe->reader_gone || pipe->ended) co_return fail(ErrorKind::transport, "broken pipe");
        if (pipe->bytes.size() >= options_.capacity) {
            co_await pipe->changed.wait();
            continue;
        }
        const std::size_t count = std::min(bytes.size(), options_.capacity - pipe->bytes.size());
        pipe->bytes.append(bytes.substr(0, count));
        bytes.remove_prefix(count);
        pipe->changed.notify_all();
    }
    co_return Result<void>();
}

void MemoryStream::close() noexcept {
    closed_ = true;
    out_->ended = true;
    in_->reader_gone = true;
    in_->changed.notify_all();
    out_->changed.notify_all();
}

void MemoryStream::shut_down_write() {
    out_->ended = true;
    out_->changed.notify_all();
}

void MemoryStream::reset() {
    out_->broken = true;
    close();
}

bool MemoryStream::closed() const {
    return closed_;
}

asio::awaitable<std::string> MemoryStream::read_to_end() {
    std::string text;
    std::string piece(4096, '\0');
    for (;;) {
        const auto count = co_await read_some(piece);
        if (!count || *count == 0) co_return text;
        text.append(piece, 0, *count);
    }
}

asio::awaitable<std::string> MemoryStream::read_exactly(std::size_t count) {
    std::string text(count, '\0');
    std::size_t have = 0;
    while (have < count) {
        const auto more = co_await read_some(std::span<char>(text).subspan(have));
        if (!more || *more == 0) break;
        have += *more;
    }
    text.resize(have);
    co_return text;
}

asio::awaitable<std::string> MemoryStream::read_until(std::string_view end) {
    std::string text;
    while (!text.ends_with(end)) {
        char c = 0;
        const auto more = co_await read_some(std::span<char>(&c, 1));
        if (!more || *more == 0) break;
        text += c;
    }
    co_return text;
}

MemoryStreamPair make_memory_stream_pair(asio::any_io_executor executor, MemoryStreamOptions options) {
    const auto there = std::make_shared<MemoryStream::Pipe>(executor);
    const auto back = std::make_shared<MemoryStream::Pipe>(executor);
    return {std::make_unique<MemoryStream>(back, there, options), std::make_unique<MemoryStream>(there, back, options)};
}

MemoryListener::MemoryListener(asio::any_io_executor executor) : executor_(executor), changed_(executor) {}

std::unique_ptr<MemoryStream> MemoryListener::connect(MemoryStreamOptions options) {
    auto [client, server] = make_memory_stream_pair(executor_, options);
    waiting_.emplace_back(std::move(server));
    changed_.notify_all();
    return std::move(client);
}

void MemoryListener::fail_next(Error error) {
    waiting_.emplace_front(std::unexpected(std::move(error)));
    changed_.notify_all();
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> MemoryListener::accept() {
    while (waiting_.empty() && !closed_) co_await changed_.wait();
    if (closed_) co_return fail(ErrorKind::cancelled, "accept: closed");
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    co_return next;
}

asio::awaitable<Result<void>> MemoryListener::handshake(ByteStream&) {
    co_return Result<void>();
}

void MemoryListener::close() noexcept {
    closed_ = true;
    changed_.notify_all();
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> MemoryTransport::connect(std::stop_token stop) {
    if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "connect memory.test: stopped");
    co_return connect_();
}

}  // namespace kube::test
