#include "app.hpp"
#include "manifests.hpp"
#include "options.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    const auto parsed = endoscope::cmd::parse_options(argc, argv);
    if (parsed.exit) return parsed.exit_code;
    if (parsed.options.verb == endoscope::cmd::Verb::manifests) {
        return endoscope::cmd::print_manifests(parsed.options.manifests_what == "all", parsed.options.fence);
    }
    return endoscope::cmd::run_app(parsed.options);
}
