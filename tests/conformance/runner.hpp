#pragma once

#include "kube/base/clock.hpp"
#include "tests/conformance/hook_server.hpp"
#include "tests/conformance/http_user.hpp"
#include "tests/conformance/normaliser.hpp"
#include "tests/conformance/plane.hpp"
#include "tests/conformance/script.hpp"

#include <map>
#include <memory>
#include <string>

namespace endoscope::conformance {

/// What a run of a script gave: the normalised answers by step name, and what kept it from its end ("" when nothing).
struct Transcript {
    json answers = json::object();
    std::string failure;
};

/// Runs scripts against one control plane, each in a namespace of its own.
class Runner {
  public:
    explicit Runner(Plane& plane);

    Transcript run(const Script& script);

  private:
    struct State {
        json variables;
        Normaliser normalise;
        std::map<std::string, std::unique_ptr<HttpUser::Stream>> watches;
    };

    json perform(const Step& step, State& state);
    /// One answer with everything that is compared, not yet normalised.
    json ask(const Step& step, const kube::HttpRequest& request, State& state);
    json ask_until(const Step& step, const kube::HttpRequest& request, State& state);
    json read_watch(const Step& step, State& state);
    json compact();
    json received(const Step& step);
    HttpUser& user(const std::string& name);

    Plane& plane_;
    boost::asio::io_context io_{1};
    std::unique_ptr<kube::Clock> clock_;
    HookServer hooks_;
    std::map<std::string, std::unique_ptr<HttpUser>> users_;
};

}  // namespace endoscope::conformance
