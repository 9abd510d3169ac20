#pragma once

#include "kube/base/log.hpp"

#include <gtest/gtest.h>

#include <string>

namespace kube::test {

/// Collects what is logged, at a level of its own, while it lives.
class CapturedLog {
  public:
    explicit CapturedLog(log::Level level) {
        log::configure(log::Format::text, level);
        testing::internal::CaptureStderr();
    }
    ~CapturedLog() {
        if (!taken_) testing::internal::GetCapturedStderr();
        log::configure(log::Format::text, log::Level::info);
    }
    CapturedLog(const CapturedLog&) = delete;
    CapturedLog& operator=(const CapturedLog&) = delete;

    /// Everything logged so far; ends the collecting.
    std::string text() {
        taken_ = true;
        return testing::internal::GetCapturedStderr();
    }

  private:
    bool taken_ = false;
};

}  // namespace kube::test
