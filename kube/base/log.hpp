#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

/// Structured logging: a constant message and key-value fields, one line each. The only global of the program.
/// Lines go to stderr as JSON or text, without waiting long for whoever reads it (see `LineWriter`); the audit log has
/// a channel of its own on stdout (controller/audit.hpp).
namespace kube::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

/// One key with an already rendered value. Strings are escaped when the line is written, so user text cannot forge
/// fields or lines (H17).
struct Field {
    template <class T>
        requires std::is_arithmetic_v<T>
    Field(std::string_view k, T v) : key(k), value(std::to_string(v)), quoted(false) {}
    Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}
    Field(std::string_view k, std::string v) : key(k), value(std::move(v)), quoted(true) {}
    Field(std::string_view k, std::string_view v) : key(k), value(v), quoted(true) {}
    Field(std::string_view k, const char* v) : key(k), value(v), quoted(true) {}

    std::string_view key;
    std::string value;
    bool quoted;
};

/// Chooses format and lowest level. Call once, before other threads or coroutines log.
void configure(Format format, Level level);
bool enabled(Level level);
/// Hands finished lines to `sink` instead of stderr, without their time; an empty one ends that. For simulations, whose
/// time is their own.
void redirect(std::function<void(Level, std::string_view line)> sink);
/// Writes one line: `logger` is the component ("reflector"), `message` is constant per call site.
void write(Level level, std::string_view logger, std::string_view message, std::initializer_list<Field> fields = {});

inline void debug(std::string_view logger, std::string_view message, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::debug)) write(Level::debug, logger, message, fields);
}
inline void info(std::string_view logger, std::string_view message, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::info)) write(Level::info, logger, message, fields);
}
inline void warn(std::string_view logger, std::string_view message, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::warn)) write(Level::warn, logger, message, fields);
}
inline void error(std::string_view logger, std::string_view message, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::error)) write(Level::error, logger, message, fields);
}

/// `text` as the inside of a JSON string: control characters and invalid UTF-8 escaped.
std::string escape(std::string_view text);

}  // namespace kube::log
