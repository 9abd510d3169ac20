#pragma once

// Private to the HTTP code of this folder: the bytes of HTTP/1.1 without any I/O.

#include "kube/net/http.hpp"

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace kube::wire {

bool equals_ignoring_case(std::string_view a, std::string_view b);
/// Whether `value` can stand in a header or a start line without forging another one.
bool is_clean(std::string_view value);
bool is_token(std::string_view name);
/// What makes a request unsendable, if anything. Header values never appear in the error: they may be secret.
Result<void> check(const HttpRequest& request);
/// Whether the comma-separated list `value` has `token`, ignoring case.
bool lists_token(std::string_view value, std::string_view token);
void append_header(std::string& out, std::string_view name, std::string_view value);
std::string_view reason_phrase(int status);
/// IMF-fixdate of RFC 9110, for the Date header.
std::string http_date(WallTime time);

/// Bytes that were read and not yet parsed. One allocation, reused for the life of the connection.
class InputBuffer {
  public:
    explicit InputBuffer(std::size_t initial, std::size_t maximum) : initial_(initial), maximum_(maximum) {}
    std::string_view data() const { return {storage_.data() + begin_, end_ - begin_}; }
    bool empty() const { return begin_ == end_; }
    void consume(std::size_t count);
    /// Free space behind the data; empty when `maximum` bytes are waiting already.
    std::span<char> prepare();
    void commit(std::size_t count) { end_ += count; }

  private:
    std::size_t initial_;
    std::size_t maximum_;
    std::vector<char> storage_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

enum class Progress { need_input, complete, head_too_large, body_too_large, malformed };

/// One message: Beast's parser fed from an `InputBuffer`.
template <bool is_request>
class MessageParser {
  public:
    using Parser = boost::beast::http::parser<is_request, boost::beast::http::buffer_body>;

    MessageParser(std::size_t head_limit, std::optional<std::uint64_t> body_limit) : head_limit_(head_limit) {
        // Its own limit counts only what lies in one piece; `parse_head` counts everything.
        parser_.header_limit(static_cast<std::uint32_t>(head_limit));
        if (body_limit) {
            parser_.body_limit(*body_limit);
        } else {
            parser_.body_limit(boost::none);
        }
    }

    Progress parse_head(InputBuffer& input) {
        while (!parser_.is_header_done()) {
            if (input.empty()) return Progress::need_input;
            boost::system::error_code code;
            const std::size_t used = put(input, code);
            head_bytes_ += used;
            if (head_bytes_ > head_limit_) return Progress::head_too_large;
            if (code == boost::beast::http::error::need_more) return Progress::need_input;
            if (code) return failure(code);
        }
        parser_.eager(true);
        return Progress::complete;
    }

    /// Appends what `input` holds of the body to `out`.
    Progress parse_body(InputBuffer& input, std::string& out) {
        while (!parser_.is_done()) {
            if (input.empty()) return Progress::need_input;
            const std::size_t old_size = out.size();
            out.resize(old_size + input.data().size());  // a body is never longer than its encoding
            auto& body = parser_.get().body();
            body.data = out.data() + old_size;
            body.size = out.size() - old_size;
            boost::system::error_code code;
            put(input, code);
            out.resize(out.size() - body.size);
            body.data = nullptr;
            body.size = 0;
            if (code == boost::beast::http::error::need_more) return Progress::need_input;
            if (code) return failure(code);
        }
        return Progress::complete;
    }

    /// The peer closed the stream: complete when that is how this message ends.
    Progress finish() {
        boost::system::error_code code;
        if (!parser_.got_some()) return Progress::malformed;
        parser_.put_eof(code);
        return code ? Progress::malformed : Progress::complete;
    }

    HttpHeaders headers() const {
        HttpHeaders out;
        for (const auto& field : parser_.get()) {
            const auto name = field.name_string();
            const auto value = field.value();
            out.add(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
        }
        return out;
    }

    const std::string& error() const { return error_; }
    Parser& beast() { return parser_; }
    const Parser& beast() const { return parser_; }

  private:
    std::size_t put(InputBuffer& input, boost::system::error_code& code) {
        const auto data = input.data();
        const std::size_t used = parser_.put(boost::asio::const_buffer(data.data(), data.size()), code);
        input.consume(used);
        return used;
    }

    Progress failure(const boost::system::error_code& code) {
        error_ = code.message();
        if (code == boost::beast::http::error::header_limit) return Progress::head_too_large;
        if (code == boost::beast::http::error::body_limit) return Progress::body_too_large;
        return Progress::malformed;
    }

    Parser parser_;
    std::size_t head_limit_;
    std::size_t head_bytes_ = 0;
    std::string error_;
};

}  // namespace kube::wire
