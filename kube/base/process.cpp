#include "kube/base/process.hpp"

#include "kube/base/signal.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxLine = 1024;
constexpr int kMaxLines = 100;

/// Cuts what a program writes to its standard error into lines.
class LineReader {
  public:
    explicit LineReader(std::function<void(std::string_view)> on_line) : on_line_(std::move(on_line)) {}
    void add(std::string_view text) {
        for (const char c : text) {
            if (c == '\n') {
                finish();
            } else if (line_.size() < kMaxLine) {
                line_ += c;
            }
        }
    }
    void finish() {
        if (!line_.empty() && on_line_ && lines_++ < kMaxLines) on_line_(line_);
        line_.clear();
    }

  private:
    std::function<void(std::string_view)> on_line_;
    std::string line_;
    int lines_ = 0;
};

/// One running program. Kept alive by the operations on its pipes and by the wait for its end, so that it is reaped
/// even when nobody waits for the answer any more.
class Child : public std::enable_shared_from_this<Child> {
  public:
    Child(const asio::any_io_executor& executor, ProcessOptions options)
        : options_(std::move(options)),
          changed_(executor),
          end_(executor),
          out_(executor),
          err_(executor),
          lines_(options_.on_error_line) {}
    ~Child() {
        if (pid_ == 0 || reaped_) return;
        kill();
        ::waitpid(pid_, nullptr, 0);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    Result<void> start();
    /// Kills it, and what it has started itself, unless it is done; drops whatever it still writes.
    void abandon();

    bool done() const { return reaped_ && output_closed_; }
    bool too_much() const { return output_.size() > options_.max_output; }
    /// What it left, once it is done.
    ProcessResult result();

    asio::awaitable<void> wait() { return changed_.wait(); }
    void wake() { changed_.notify_all(); }

  private:
    void kill() {
        // The leader of a process group of its own.
        if (pid_ > 0 && !done()) ::kill(-pid_, SIGKILL);
    }
    void wait_for_end();
    void read_output();
    void read_errors();
    void read_last_errors();

    ProcessOptions options_;
    Signal changed_;
    asio::posix::stream_descriptor end_;  ///< A pidfd: readable once the program has ended.
    asio::posix::stream_descriptor out_;
    asio::posix::stream_descriptor err_;
    LineReader lines_;
    std::array<char, 4096> out_buffer_{};
    std::array<char, 4096> err_buffer_{};
    std::string output_;
    pid_t pid_ = 0;
    int status_ = 0;
    bool reaped_ = false;
    bool output_closed_ = false;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

Result<void> Child::start() {
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    const auto cannot = [&](int code) {
        const std::string reason = code == ENOENT ? "not found" : std::strerror(code);
        return fail(ErrorKind::config, "executable " + options_.command.front() + ": " + reason);
    };
    if (::pipe2(out.data(), O_CLOEXEC) != 0) return cannot(errno);
    out_.assign(out[0]);
    if (::pipe2(err.data(), O_CLOEXEC) != 0) {
        const int code = errno;
        ::close(out[1]);
        return cannot(code);
    }
    err_.assign(err[0]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    // Sockets are not marked to be closed, and no other program may have them.
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const auto argv = pointers(options_.command);
    const auto environment = pointers(options_.environment);
    const int code = ::posix_spawnp(&pid_, argv.front(), &actions, &attributes, argv.data(), environment.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    ::close(err[1]);
    if (code != 0) {
        pid_ = 0;
        return cannot(code);
    }
    const auto pidfd = ::syscall(SYS_pidfd_open, pid_, 0);
    if (pidfd < 0) return cannot(errno);
    end_.assign(static_cast<int>(pidfd));
    wait_for_end();
    read_output();
    read_errors();
    return {};
}

void Child::wait_for_end() {
    end_.async_wait(asio::posix::descriptor_base::wait_read,
                    [self = shared_from_this()](const boost::system::error_code&) {
                        if (::waitpid(self->pid_, &self->status_, WNOHANG) == 0) return self->wait_for_end();
                        self->reaped_ = true;
                        self->wake();
                    });
}

void Child::read_output() {
    out_.async_read_some(asio::buffer(out_buffer_),
                         [self = shared_from_this()](const boost::system::error_code& code, std::size_t count) {
                             self->output_.append(self->out_buffer_.data(), count);
                             self->output_closed_ = static_cast<bool>(code);
                             if (!code && !self->too_much()) self->read_output();
                             self->wake();
                         });
}

void Child::read_errors() {
    err_.async_read_some(asio::buffer(err_buffer_),
                         [self = shared_from_this()](const boost::system::error_code& code, std::size_t count) {
                             self->lines_.add(std::string_view(self->err_buffer_.data(), count));
                             if (!code) self->read_errors();
                         });
}

void Child::read_last_errors() {
    // Not to its end: a daemon that the program has left behind may keep the pipe open for ever.
    boost::system::error_code code;
    err_.non_blocking(true, code);
    while (!code) {
        const std::size_t count = err_.read_some(asio::buffer(err_buffer_), code);
        lines_.add(std::string_view(err_buffer_.data(), count));
    }
    lines_.finish();
}

void Child::abandon() {
    kill();
    boost::system::error_code ignored;
    out_.close(ignored);
    err_.close(ignored);
    lines_ = LineReader({});
}

ProcessResult Child::result() {
    read_last_errors();
    abandon();
    ProcessResult result;
    result.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
    result.output = std::move(output_);
    return result;
}

class SystemProcessRunner final : public ProcessRunner {
  public:
    explicit SystemProcessRunner(Clock& clock) : clock_(clock) {}

    asio::awaitable<Result<ProcessResult>> run(ProcessOptions options, std::stop_token stop) override {
        const std::string name = options.command.front();
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "run " + name + ": stopped");
        const Duration timeout = options.timeout;
        const auto executor = co_await asio::this_coro::executor;
        const auto child = std::make_shared<Child>(executor, std::move(options));
        auto started = child->start();
        if (!started) co_return std::unexpected(std::move(started.error()));
        bool late = false;
        const auto deadline = clock_.call_after(timeout, [&late, &child] {
            late = true;
            child->wake();
        });
        const std::stop_callback on_stop(stop, [&child] { child->wake(); });
        while (!child->done() && !child->too_much() && !late && !stop.stop_requested()) co_await child->wait();
        if (child->done() && !child->too_much()) co_return child->result();
        child->abandon();
        if (child->too_much()) co_return fail(ErrorKind::malformed, "executable " + name + " writes too much");
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "run " + name + ": stopped");
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
        co_return fail(ErrorKind::timeout, "executable " + name + " did not end within " +
                                               std::to_string(seconds.count()) + " s and was killed");
    }

  private:
    Clock& clock_;
};

}  // namespace

std::shared_ptr<ProcessRunner> make_process_runner(Clock& clock) {
    return std::make_shared<SystemProcessRunner>(clock);
}

}  // namespace kube
