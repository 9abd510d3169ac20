#include "kube/net/tracked_stream.hpp"

#include <utility>

namespace kube {
namespace asio = boost::asio;

class OpenStreams::Stream final : public ByteStream {
  public:
    Stream(std::unique_ptr<ByteStream> stream, std::shared_ptr<OpenStreams> all)
        : stream_(std::move(stream)), all_(std::move(all)) {
        all_->open_.insert(this);
    }
    ~Stream() override { all_->open_.erase(this); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    asio::awaitable<Result<std::size_t>> read_some(std::span<char> buffer) override {
        auto count = co_await stream_->read_some(buffer);
        if (!count) co_return std::unexpected(explain(std::move(count.error())));
        co_return count;
    }
    asio::awaitable<Result<void>> write(std::string_view bytes) override {
        auto written = co_await stream_->write(bytes);
        if (!written) co_return std::unexpected(explain(std::move(written.error())));
        co_return written;
    }
    void close() noexcept override {
        closed_ = true;
        stream_->close();
    }
    std::optional<PeerCertificate> peer_certificate() const override { return stream_->peer_certificate(); }

    void retire() {
        retired_ = true;
        stream_->close();
    }

  private:
    /// Nobody who uses the stream has cancelled anything, so that it must not look like that.
    Error explain(Error error) const {
        if (!retired_ || closed_) return error;
        return fail(ErrorKind::transport, "connection closed because the client certificate has changed").error();
    }

    std::unique_ptr<ByteStream> stream_;
    std::shared_ptr<OpenStreams> all_;
    bool retired_ = false;
    bool closed_ = false;
};

std::unique_ptr<ByteStream> OpenStreams::track(std::unique_ptr<ByteStream> stream) {
    return std::make_unique<Stream>(std::move(stream), shared_from_this());
}

void OpenStreams::close_all() {
    for (Stream* stream : open_) stream->retire();
}

}  // namespace kube
