#pragma once

#include "tests/integration/fixture.hpp"
#include "tests/integration/relay.hpp"

#include <iostream>
#include <memory>

namespace endoscope::test {

/// The operator reaches the API server through a relay; the kubelet, the people and the API server's own calls of the
/// webhooks do not need it. It is each test's own and is not started yet.
class RelayedTest : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        end_operator();
        plane_->derive_kubeconfig("relay", [this](json& config) { relay_ = redirect(config); });
    }
    void TearDown() override {
        if (through_) {
            EXPECT_EQ(through_->stop(std::chrono::seconds(10)), 0);
            EXPECT_FALSE(through_->process().err().contains("Sanitizer"));
            if (HasFailure()) std::cerr << through_->process().err();
        }
        EndoscopeTest::TearDown();
    }

    void start() {
        static int number = 0;
        through_ = std::make_unique<OperatorProcess>(plane_->kubeconfig("relay"),
                                                     plane_->dir() + "/relayed-" + std::to_string(++number));
    }
    void start_and_wait() {
        start();
        ASSERT_TRUE(through_->wait_until_ready()) << through_->process().err();
    }
    OperatorProcess& through() { return *through_; }

    std::unique_ptr<Relay> relay_;

  private:
    std::unique_ptr<OperatorProcess> through_;
};

}  // namespace endoscope::test
