#pragma once

#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace endoscope::test {

/// A program that a test started: its output goes to files, and it is always ended, by its pid, and reaped.
class Subprocess {
  public:
    /// `log` names the files: log.out and log.err.
    Subprocess(const std::vector<std::string>& argv, std::string log,
               const std::map<std::string, std::string>& env = {});
    ~Subprocess();
    Subprocess(const Subprocess&) = delete;
    Subprocess& operator=(const Subprocess&) = delete;

    /// SIGSTOP has stopped all of it when this returns.
    void signal(int number) const;
    /// The exit code once it has ended (128 + signal for a signal), waiting at most `limit`.
    std::optional<int> wait(std::chrono::milliseconds limit);
    /// Waits for a whole line on stdout; false when the program ends without it.
    bool wait_for_line(const std::string& line, std::chrono::milliseconds limit);
    std::string out() const;
    std::string err() const;

  private:
    pid_t pid_ = -1;
    std::optional<int> status_;
    std::string log_;
};

std::string read_text(const std::string& path);
void pause_shortly();

/// Whether `holds` becomes true within `limit`.
template <class Condition>
bool eventually(Condition holds, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        pause_shortly();
    }
    return true;
}

}  // namespace endoscope::test
