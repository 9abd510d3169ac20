#pragma once

#include <string_view>

namespace kube {

/// Told what happens to credentials that change at run time: the source of `rest_client_transport_ca_reload_total` and
/// `rest_client_exec_plugin_call_total`. The words are client-go's.
class ConnectionObserver {
  public:
    virtual ~ConnectionObserver() = default;
    /// "success" (updated, unchanged) or "failure" (read_error, empty, ca_parse_error).
    virtual void on_ca_reload(std::string_view result, std::string_view reason) = 0;
    /// The plugin's exit code and "no_error", "plugin_execution_error", "plugin_not_found_error" or
    /// "client_internal_error".
    virtual void on_exec_call(int exit_code, std::string_view status) = 0;
};

}  // namespace kube
