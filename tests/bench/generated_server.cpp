#include "tests/bench/generated_server.hpp"

#include <boost/asio/awaitable.hpp>

#include <algorithm>
#include <charconv>

namespace endoscope::bench {
namespace asio = boost::asio;

namespace {

using Answer = std::function<Body(std::string_view target)>;

class GeneratedStream final : public kube::ByteStream {
  public:
    explicit GeneratedStream(Answer answer) : answer_(std::move(answer)) {}

    asio::awaitable<kube::Result<void>> write(std::string_view bytes) override {
        const std::size_t begin = bytes.find(' ') + 1;
        body_ = answer_(bytes.substr(begin, bytes.find(' ', begin) - begin));
        pending_ = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        sent_ = 0;
        co_return kube::Result<void>();
    }

    asio::awaitable<kube::Result<std::size_t>> read_some(std::span<char> buffer) override {
        if (sent_ == pending_.size()) refill();
        const std::size_t count = std::min(buffer.size(), pending_.size() - sent_);
        std::copy_n(pending_.begin() + static_cast<std::ptrdiff_t>(sent_), count, buffer.begin());
        sent_ += count;
        co_return count;
    }

    void close() noexcept override {}

  private:
    void refill() {
        sent_ = 0;
        pending_.clear();
        if (!body_) return;  // the end of the stream
        if (const auto piece = body_()) {
            char size[16];
            const auto end = std::to_chars(size, size + sizeof size, piece->size(), 16).ptr;
            pending_.append(size, end).append("\r\n").append(*piece);
            pending_ += "\r\n";
        } else {
            pending_ = "0\r\n\r\n";
            body_ = nullptr;
        }
    }

    Answer answer_;
    Body body_;
    std::string pending_;
    std::size_t sent_ = 0;
};

class GeneratedTransport final : public kube::Transport {
  public:
    explicit GeneratedTransport(Answer answer) : answer_(std::move(answer)) {}

    asio::awaitable<kube::Result<std::unique_ptr<kube::ByteStream>>> connect(std::stop_token /*stop*/) override {
        co_return std::make_unique<GeneratedStream>(answer_);
    }
    std::string_view host() const override { return "bench.test"; }

  private:
    Answer answer_;
};

}  // namespace

std::shared_ptr<kube::Transport> make_generated_server(std::function<Body(std::string_view target)> answer) {
    return std::make_shared<GeneratedTransport>(std::move(answer));
}

}  // namespace endoscope::bench
