// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/fork_workers.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/log.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {
namespace {

constexpr std::size_t max_message = 16U << 20U;

int pidfd_of(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

/// Length-prefixed messages over a stream socket. Takes what has come; never waits.
class Framing {
 public:
  explicit Framing(int fd) : fd_(fd) {}

  /// False at end of stream. Throws nothing: a broken frame counts as the end.
  bool receive() {
    std::array<char, 65536> buffer{};
    while (true) {
      const auto got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      if (got == 0) return false;
      pending_.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

  std::optional<std::string> next() {
    std::uint32_t length = 0;
    if (pending_.size() < sizeof length) return std::nullopt;
    std::memcpy(&length, pending_.data(), sizeof length);
    if (length > max_message || pending_.size() < sizeof length + length) return std::nullopt;
    auto message = pending_.substr(sizeof length, length);
    pending_.erase(0, sizeof length + length);
    return message;
  }

 private:
  int fd_;
  std::string pending_;
};

bool send_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const auto sent = ::send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool send_frame(int fd, const std::string& message) {
  const auto length = static_cast<std::uint32_t>(message.size());
  std::string frame(reinterpret_cast<const char*>(&length), sizeof length);
  frame += message;
  return message.size() <= max_message && send_all(fd, frame.data(), frame.size());
}

class ChildChannel : public WorkerChannel {
 public:
  explicit ChildChannel(int fd) : fd_(fd), framing_(fd) {}
  void send(const std::string& message) override {
    if (!send_frame(fd_, message)) throw Error(ErrorCode::internal, "the daemon has gone");
  }
  std::optional<std::string> poll() override {
    framing_.receive();
    return framing_.next();
  }
  std::optional<std::string> wait(int milliseconds, int extra_fd) override {
    if (auto message = poll()) return message;
    std::array<pollfd, 2> fds{pollfd{fd_, POLLIN, 0}, pollfd{extra_fd, POLLIN, 0}};
    ::poll(fds.data(), extra_fd < 0 ? 1 : 2, milliseconds);
    return poll();
  }

 private:
  int fd_;
  Framing framing_;
};

void reset_signals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
}

void rename_process(char* argv0, const std::string& name) {
  ::prctl(PR_SET_NAME, name.c_str());
  if (argv0 == nullptr) return;
  const auto room = std::strlen(argv0);
  const auto title = fmt::format("@gpuctl:{}", name).substr(0, room);
  std::memset(argv0, 0, room);
  std::memcpy(argv0, title.data(), title.size());
}

[[noreturn]] void run_child(int fd, const WorkerPool::Body& body) {
  int status = 0;
  try {
    ChildChannel channel(fd);
    body(channel);
  } catch (const std::exception& e) {
    log(events::error, fmt::format("worker failed: {}", e.what()));
    status = 1;
  }
  ::_exit(status);  // no destructors: bus connections and journals belong to the parent
}

class ForkedWorker : public Worker {
 public:
  ForkedWorker(ForkWorkers& pool, EventLoop& loop, pid_t pid, UniqueFd channel, WorkerHandlers handlers)
      : pool_(pool),
        pid_(pid),
        channel_(std::move(channel)),
        pidfd_(pidfd_of(pid)),
        framing_(channel_.get()),
        handlers_(std::make_shared<WorkerHandlers>(std::move(handlers))) {
    messages_ = loop.watch_fd(channel_.get(), EPOLLIN, [this](std::uint32_t) { deliver(); });
    exit_ = loop.watch_fd(pidfd_.get(), EPOLLIN, [this](std::uint32_t) { finish(); });
  }
  ForkedWorker(const ForkedWorker&) = delete;
  ForkedWorker& operator=(const ForkedWorker&) = delete;
  ~ForkedWorker() override {
    messages_.reset();
    exit_.reset();
    if (!ended_) pool_.abandon(pid_, std::move(pidfd_));
  }
  pid_t pid() const override { return pid_; }
  void send(const std::string& message) override {
    if (!ended_) send_frame(channel_.get(), message);
  }

 private:
  void deliver() {
    // handlers may destroy this worker: from then on only locals are touched
    const auto handlers = handlers_;
    const std::weak_ptr<WorkerHandlers> alive = handlers_;
    const bool open = framing_.receive();
    if (!open)
      messages_.reset();  // a descriptor whose peer has closed is ready for ever, whatever one asks for
    while (auto message = framing_.next()) {
      handlers->on_message(std::move(*message));
      if (alive.use_count() == 1) return;
    }
  }
  void finish() {
    const auto handlers = handlers_;
    const std::weak_ptr<WorkerHandlers> alive = handlers_;
    deliver();
    if (alive.use_count() == 1) return;
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended_ = true;
    exit_.reset();
    messages_.reset();
    handlers->on_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }

  ForkWorkers& pool_;
  pid_t pid_;
  UniqueFd channel_, pidfd_;
  Framing framing_;
  std::shared_ptr<WorkerHandlers> handlers_;
  EventLoop::Source messages_, exit_;
  bool ended_{};
};

}  // namespace

void ForkWorkers::require_room() const {
  if (abandoned_.size() < most_abandoned) return;
  throw Error(
      ErrorCode::timed_out,
      fmt::format("{} earlier looks at devices hang in the kernel, in process {} first; nothing more is "
                  "begun until they come back, or the machine is started anew",
                  abandoned_.size(), abandoned_.begin()->first));
}

std::unique_ptr<Worker> ForkWorkers::start(const std::string& name, Body body, WorkerHandlers handlers) {
  require_room();
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0)
    throw Error(ErrorCode::internal, fmt::format("cannot start a worker: {}", std::strerror(errno)));
  UniqueFd ours{ends[0]};
  UniqueFd theirs{ends[1]};
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0)
    throw Error(ErrorCode::internal, fmt::format("cannot start a worker: {}", std::strerror(errno)));
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    reset_signals();
    rename_process(argv0_, name);
    ours.reset();
    for (const int fd : parent_only_) ::close(fd);
    run_child(theirs.get(), body);
  }
  try {
    return std::make_unique<ForkedWorker>(*this, loop_, pid, std::move(ours), std::move(handlers));
  } catch (...) {  // no descriptor left to follow it with
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    throw;
  }
}

void ForkWorkers::abandon(pid_t pid, UniqueFd pidfd) {
  ::kill(pid, SIGKILL);
  if (loop_.has_ended()) return;  // the daemon is about to end as well, and then the system reaps it
  const int fd = pidfd.get();
  auto source = loop_.watch_fd(fd, EPOLLIN, [this, pid](std::uint32_t) {
    ::waitpid(pid, nullptr, WNOHANG);
    abandoned_.erase(pid);
  });
  abandoned_.emplace(pid, std::pair{std::move(pidfd), std::move(source)});
}

}  // namespace gpuctl
