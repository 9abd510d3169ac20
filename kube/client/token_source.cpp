#include "kube/client/token_source.hpp"

#include "kube/base/log.hpp"

#include <optional>

namespace kube {

namespace {

constexpr Duration kMaxTokenAge = std::chrono::seconds(50);

class StaticToken final : public TokenSource {
  public:
    explicit StaticToken(std::string token) : token_(std::move(token)) {}
    std::string token() override { return token_; }

  private:
    std::string token_;
};

class FileToken final : public TokenSource {
  public:
    FileToken(Clock& clock, std::function<Result<std::string>()> read_file, std::string fallback)
        : clock_(clock), read_file_(std::move(read_file)), token_(std::move(fallback)) {}

    std::string token() override {
        if (read_at_ && clock_.steady_now() - *read_at_ < kMaxTokenAge) return token_;
        auto content = read_file_();
        read_at_ = clock_.steady_now();
        if (!content) {
            log::warn("client", "cannot read the token file; keeping the last token",
                      {{"error", content.error().message}});
            return token_;
        }
        const auto first = content->find_first_not_of(" \t\r\n");
        const auto last = content->find_last_not_of(" \t\r\n");
        if (first == std::string::npos) {
            log::warn("client", "the token file is empty; keeping the last token");
        } else {
            token_ = content->substr(first, last - first + 1);
        }
        return token_;
    }

    void reject(SteadyTime used) override {
        if (read_at_ && *read_at_ <= used) read_at_.reset();
    }

  private:
    Clock& clock_;
    std::function<Result<std::string>()> read_file_;
    std::string token_;
    std::optional<SteadyTime> read_at_;
};

}  // namespace

std::unique_ptr<TokenSource> make_static_token(std::string token) {
    return std::make_unique<StaticToken>(std::move(token));
}

std::unique_ptr<TokenSource> make_file_token(Clock& clock, std::function<Result<std::string>()> read_file,
                                             std::string fallback) {
    return std::make_unique<FileToken>(clock, std::move(read_file), std::move(fallback));
}

}  // namespace kube
