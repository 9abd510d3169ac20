#pragma once

#include "kube/base/log.hpp"
#include "kube/runtime/lease.hpp"

#include <string>
#include <vector>

namespace endoscope::cmd {

/// host:port of a listener; port 0 takes any.
struct BindAddress {
    std::string host = "0.0.0.0";
    unsigned short port = 0;
    bool enabled = true;  ///< "0" disables a listener, as in controller-runtime.
};

enum class Verb { run, dev, manifests };

/// The command line, checked. Flag names are controller-runtime's where it has one.
struct Options {
    Verb verb = Verb::run;
    std::string kubeconfig;
    std::string context;
    std::string ns = "endoscope-system";
    BindAddress metrics{.port = 8443};
    bool metrics_secure = true;
    BindAddress health{.port = 8081};
    unsigned short webhook_port = 9443;
    std::string webhook_cert_dir;
    int max_concurrent_reconciles = 16;
    bool leader_elect = false;
    std::string lease_name = "endoscope";
    kube::LeaseTimes lease_times;
    kube::log::Format log_format = kube::log::Format::json;
    kube::log::Level log_level = kube::log::Level::info;
    std::string manifests_what = "crds";  ///< For `manifests`: crds or all.
};

/// Either options, or what to print and the exit code (help, version, a usage error).
struct ParsedOptions {
    Options options;
    bool exit = false;
    int exit_code = 0;
};

ParsedOptions parse_options(int argc, const char* const* argv);

}  // namespace endoscope::cmd
