#include "tests/integration/subprocess.hpp"

#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace endoscope::test {

namespace {

constexpr std::chrono::milliseconds kPoll{10};

void redirect(const std::string& file, int descriptor) {
    const int opened = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (opened >= 0) dup2(opened, descriptor);
}

}  // namespace

void pause_shortly() {
    std::this_thread::sleep_for(kPoll);
}

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

Subprocess::Subprocess(const std::vector<std::string>& argv, std::string log,
                       const std::map<std::string, std::string>& env)
    : log_(std::move(log)) {
    std::vector<char*> arguments;
    for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        redirect(log_ + ".out", STDOUT_FILENO);
        redirect(log_ + ".err", STDERR_FILENO);
        // The sockets of the test would stay open as long as the program runs.
        close_range(STDERR_FILENO + 1, ~0U, 0);
        for (const auto& [name, value] : env) setenv(name.c_str(), value.c_str(), 1);
        execv(arguments[0], arguments.data());
        _exit(127);
    }
}

Subprocess::~Subprocess() {
    if (status_) return;
    signal(SIGTERM);
    signal(SIGCONT);  // a frozen one must see it
    if (wait(std::chrono::seconds(8))) return;
    signal(SIGKILL);
    wait(std::chrono::seconds(8));
}

void Subprocess::signal(int number) const {
    if (status_) return;
    kill(pid_, number);
    // Its threads stop one by one: until the last one has, something may still be begun.
    siginfo_t ignored{};
    if (number == SIGSTOP) waitid(P_PID, static_cast<id_t>(pid_), &ignored, WSTOPPED | WEXITED | WNOWAIT);
}

std::optional<int> Subprocess::wait(std::chrono::milliseconds limit) {
    eventually(
        [this] {
            int status = 0;
            if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) {
                status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            }
            return status_.has_value();
        },
        limit);
    return status_;
}

bool Subprocess::wait_for_line(const std::string& line, std::chrono::milliseconds limit) {
    bool found = false;
    eventually(
        [&] {
            found = ("\n" + out()).contains("\n" + line + "\n");
            return found || wait(std::chrono::milliseconds(0)).has_value();
        },
        limit);
    return found;
}

std::string Subprocess::out() const {
    return read_text(log_ + ".out");
}
std::string Subprocess::err() const {
    return read_text(log_ + ".err");
}

}  // namespace endoscope::test
