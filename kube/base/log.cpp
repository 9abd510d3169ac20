#include "kube/base/log.hpp"

#include "kube/base/clock.hpp"
#include "kube/base/line_writer.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <memory>
#include <unistd.h>

namespace kube::log {

namespace {

std::string missing_lines(std::uint64_t count);

/// stderr, which a collector may stop to read.
class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        std::string_view text(line.data(), line.size());
        if (text.ends_with('\n')) text.remove_suffix(1);
        writer_.write(text);
    }
    void flush_() override {}

  private:
    LineWriter writer_{STDERR_FILENO, missing_lines};
};

struct Logger {
    std::shared_ptr<spdlog::logger> sink =
        std::make_shared<spdlog::logger>("endoscope", std::make_shared<StderrSink>());
    Format format = Format::text;
    Level level = Level::info;
    std::function<void(Level, std::string_view)> redirected;
};

Logger& logger() {
    static Logger instance;
    return instance;
}

std::string missing_lines(std::uint64_t count) {
    const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
    const std::string time = format_micro_time(now);
    const std::string number = std::to_string(count);
    if (logger().format == Format::text) return time + " warn log: lines are missing count=" + number;
    return R"({"ts":")" + time + R"(","level":"warn","logger":"log","msg":"lines are missing","count":)" + number + "}";
}

std::string_view name(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warn:
            return "warn";
        case Level::error:
            return "error";
    }
    return "info";
}

/// Length of the valid UTF-8 sequence at the start of `text`, 0 when there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    const std::size_t length = first >= 0xF0 && first <= 0xF4  ? 4
                               : first >= 0xE0 && first < 0xF0 ? 3
                               : first >= 0xC2 && first < 0xE0 ? 2
                                                               : 0;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return 0;
    }
    const bool overlong_or_surrogate = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
                                       (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
    return overlong_or_surrogate ? 0 : length;
}

}  // namespace

std::string escape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += text[i++];
        } else if (c < 0x20 || c == 0x7F) {
            char buffer[8];
            std::snprintf(buffer, sizeof buffer, "\\u%04x", c);
            out += buffer;
            ++i;
        } else if (c < 0x80) {
            out += text[i++];
        } else if (const std::size_t length = utf8_length(text.substr(i)); length > 0) {
            out += text.substr(i, length);
            i += length;
        } else {
            out += "\\ufffd";
            ++i;
        }
    }
    return out;
}

void configure(Format format, Level level) {
    auto& log = logger();
    log.format = format;
    log.level = level;
    log.sink->set_level(spdlog::level::trace);
    // spdlog does not escape what its pattern prints, so JSON lines are rendered here and only framed by it.
    const std::string pattern =
        format == Format::json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%fZ",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %v";
    log.sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
    log.sink->flush_on(spdlog::level::trace);
}

void redirect(std::function<void(Level, std::string_view)> sink) {
    logger().redirected = std::move(sink);
}

bool enabled(Level level) {
    return level >= logger().level;
}

void write(Level level, std::string_view component, std::string_view message, std::initializer_list<Field> fields) {
    auto& log = logger();
    std::string line;
    const bool json = log.format == Format::json;
    if (json) {
        line.append("\"level\":\"").append(name(level)).append("\",\"logger\":\"").append(component);
        line.append("\",\"msg\":\"").append(escape(message)).append("\"");
    } else {
        line.append(name(level)).append(" ").append(component).append(": ").append(message);
    }
    for (const Field& field : fields) {
        line.append(json ? ",\"" : " ").append(field.key).append(json ? "\":" : "=");
        const bool quote = field.quoted && (json || field.value.empty() ||
                                            field.value.find_first_of(" \"\\=\n\r\t") != std::string::npos);
        if (quote) line += '"';
        line += field.quoted ? escape(field.value) : field.value;
        if (quote) line += '"';
    }
    if (log.redirected) return log.redirected(level, line);
    log.sink->log(spdlog::level::info, line);
}

}  // namespace kube::log
