#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace endoscope {

/// What to say where the first argument is a word that is no sub-command: CLI11 itself only says that one is missing.
inline std::optional<std::string> unknown_command(const CLI::App& app, int argc, const char* const* argv) {
    if (argc < 2) return std::nullopt;
    const std::string_view word = argv[1];
    if (word.empty() || word.starts_with('-')) return std::nullopt;
    std::string known;
    for (const CLI::App* const command : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (command->get_name() == word) return std::nullopt;
        known.append(known.empty() ? "" : ", ").append(command->get_name());
    }
    return "unknown command \"" + std::string(word) + "\" for \"" + app.get_name() + "\"; there are " + known;
}

}  // namespace endoscope
