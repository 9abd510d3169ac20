#pragma once

#include "kube/net/http.hpp"

namespace kube::test {

/// Keeps what a handler answers.
class RecordingWriter final : public HttpResponseWriter {
  public:
    boost::asio::awaitable<Result<void>> respond(HttpResponse response) override {
        answer = std::move(response);
        co_return Result<void>();
    }
    boost::asio::awaitable<Result<void>> begin(int status, HttpHeaders headers) override {
        answer.status = status;
        answer.headers = std::move(headers);
        co_return Result<void>();
    }
    boost::asio::awaitable<Result<void>> write(std::string_view chunk) override {
        answer.body += chunk;
        co_return Result<void>();
    }
    void abort() noexcept override {}

    HttpResponse answer;
};

}  // namespace kube::test
