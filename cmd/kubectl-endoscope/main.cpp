// kubectl-endoscope: the kubectl plugin. Flags and nothing else; each command has a file of its own.

#include "cmd/kubectl-endoscope/image_command.hpp"
#include "cmd/kubectl-endoscope/verdict_command.hpp"
#include "cmd/unknown_command.hpp"

#include <CLI/CLI.hpp>

#include <iostream>

int main(int argc, char** argv) {
    using namespace endoscope::cli;
    std::ios::sync_with_stdio(false);

    CLI::App app("Debugging a running Pod as a declared, authorised, recorded act", "kubectl endoscope");
    app.set_version_flag("--version", std::string("kubectl-endoscope ") + ENDOSCOPE_VERSION);
    app.require_subcommand(1);
    const CLI::IsMember formats({"text", "json"});

    ImageOptions image_options;
    CLI::App& image = *app.add_subcommand("image", "Parse an image reference as policies see it, and match it");
    image.add_option("ref", image_options.reference, "Image reference; - reads one per line from standard input")
        ->required();
    image
        .add_option("--pattern", image_options.patterns, "Pattern as in images.allow of a DebugPolicy; may be repeated")
        ->allow_extra_args(false);
    image.add_option("-o,--output", image_options.output, "text or json")->check(formats);

    VerdictOptions verdict_options;
    CLI::App& verdict = *app.add_subcommand("verdict", "Judge DebugRequests offline, by the rules of the operator");
    verdict
        .add_option("-f,--filename", verdict_options.files,
                    "YAML or JSON with DebugRequests to judge, and Pods, Namespaces, DebugPolicies and active "
                    "DebugRequests to judge them against; a directory stands for its files, - for standard input")
        ->required();
    verdict.add_option("--as", verdict_options.user, "User who asks. Default: the one in spec.requester");
    verdict.add_option("--as-group", verdict_options.groups, "Group of that user; may be repeated")
        ->allow_extra_args(false);
    verdict.add_option("--as-uid", verdict_options.uid, "UID of that user");
    verdict.add_flag("--unauthorized", verdict_options.unauthorized, "Judge as if the user had no RBAC permission");
    verdict.add_flag("--strict", verdict_options.strict, "Exit with 2 where a DebugPolicy is invalid");
    verdict.add_option("--now", verdict_options.now, "The time to judge at, RFC 3339. No rule depends on it yet");
    verdict.add_option("-o,--output", verdict_options.output, "text or json")->check(formats);

    if (const auto message = endoscope::unknown_command(app, argc, argv)) {
        std::cerr << "error: " << *message << '\n';
        return kExitInvalid;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kExitInvalid;
    }
    const Streams streams{std::cin, std::cout, std::cerr};
    return image.parsed() ? run_image(image_options, streams) : run_verdict(verdict_options, streams);
}
