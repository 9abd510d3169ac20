#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace endoscope::api {

/// DNS-1123 label: 1 to 63 of [a-z0-9-], beginning and ending with a letter or digit. Names of containers, namespaces.
bool is_dns_label(std::string_view text);

/// DNS-1123 subdomain: labels without the limit of 63, joined by dots, at most 253 characters. Names of Pods.
bool is_dns_subdomain(std::string_view text);

/// Key of a label: an optional DNS subdomain and `/`, then 1 to 63 of [A-Za-z0-9_.-] with a letter or digit at its
/// ends.
bool is_label_key(std::string_view text);

/// Value of a label: empty, or like the name part of a key.
bool is_label_value(std::string_view text);

/// Name of an environment variable: [A-Za-z_.-][A-Za-z0-9_.-]*, not "." and not beginning with ".." (core/v1).
bool is_env_name(std::string_view text);

/// Whether text that is meant to be one line holds a character that is none: C0, DEL, C1, U+2028, U+2029, or bytes that
/// are not UTF-8.
bool has_control_characters(std::string_view text);

/// Length in characters, as `maxLength` of OpenAPI counts. Bytes that are not UTF-8 count one each.
std::size_t character_count(std::string_view text);

/// The text with everything `has_control_characters` speaks of replaced by `?`, for messages that quote input.
std::string printable(std::string_view text);

/// Text of many lines that says nothing else on a terminal than when it is read as JSON: line feed and tab stay, CR LF
/// becomes a line feed. What `has_control_characters` speaks of besides, BOM and the characters that change the
/// direction of text are written out: bytes and ASCII as `\xNN`, others as `\uNNNN`.
std::string visible(std::string_view text);

/// The text cut to at most `limit` bytes, at the beginning of a character, with "..." in place of what was cut off.
std::string truncated(std::string text, std::size_t limit);

}  // namespace endoscope::api
