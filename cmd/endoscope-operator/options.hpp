#pragma once

#include "controller/seal_rotation.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/ca_rotation.hpp"
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
    bool metrics_secure = true;    ///< HTTPS, for authorised callers only.
    std::string metrics_cert_dir;  ///< Empty: a self-signed certificate.
    BindAddress health{.port = 8081};
    unsigned short webhook_port = 9443;
    std::string webhook_cert_dir;        ///< Empty: a certificate authority of our own.
    kube::RotationTimes webhook_times;   ///< Of that authority.
    std::string webhook_url;             ///< https://host[:port] where API servers call, when not by the Service.
    std::string webhook_client_ca_file;  ///< Empty: anybody may call the webhooks.
    std::string webhook_client_name;     ///< Of the callers' certificate; empty: any name.
    bool deny_at_admission = false;      ///< Refuse what is denied whatever the Pod.
    bool fence = false;                  ///< Of `dev`: install it. Of `manifests`: print it, too.
    int max_concurrent_reconciles = 16;
    double kube_api_qps = 0;  ///< Requests a second to the API server; 0 = no limit of ours.
    int kube_api_burst = 30;
    kube::Duration sync_period{};      ///< Look at every request again this often; 0 = never.
    kube::Duration retain_finished{};  ///< Remove requests that have been over for that long; 0 = never.
    controller::SealKeySettings seal_keys;
    kube::Duration shutdown_delay{};  ///< How long webhooks are still served after a SIGTERM.
    kube::Duration shutdown_timeout = std::chrono::seconds(30);  ///< From a SIGTERM to a forced end.
    bool leader_elect = false;
    std::string lease_name = "endoscope";
    kube::LeaseTimes lease_times;
    kube::log::Format log_format = kube::log::Format::json;
    kube::log::Level log_level = kube::log::Level::info;
    std::string effective;                ///< Every flag with its value, for the log. Flags hold no secrets.
    std::string manifests_what = "crds";  ///< For `manifests`: crds or all.
};

/// Either options, or what to print and the exit code (help, version, a usage error).
struct ParsedOptions {
    Options options;
    bool exit = false;
    int exit_code = 0;
};

/// A flag that is not given is looked up in the environment, --webhook-port as ENDOSCOPE_WEBHOOK_PORT, before its
/// default holds. What is printed goes to stdout and stderr.
ParsedOptions parse_options(int argc, const char* const* argv);

}  // namespace endoscope::cmd
