#pragma once

#include "tests/integration/fixture.hpp"

#include <memory>
#include <string>

namespace endoscope::test {

/// Attackers of docs/security.md. Besides bob, who may only ask:
class ThreatTest : public EndoscopeTest {
  protected:
    /// dave, who holds the built-in role `edit` in the namespace, with `endoscope-debugger` aggregated into it.
    User& editor();
    /// A ServiceAccount of the namespace that may create requests, with a token of its own where there are tokens.
    User& robot();

    /// A requester in which everything is made up.
    static json forged_requester();
    /// That the request came to a denial with this reason, and put nothing into Pod `web`.
    void expect_denied(const std::string& name, const std::string& reason);

  private:
    void bind(const std::string& cluster_role, const std::string& name);
    void let_ask(const std::string& name);
    void wait_until_may_list(User& who, const std::string& path);

    std::unique_ptr<User> robot_;
    bool editor_is_bound_ = false;
};

}  // namespace endoscope::test
