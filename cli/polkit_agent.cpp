// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/polkit_agent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>

namespace gpuctl::cli {
namespace {

constexpr int registration_ms = 5000;

/// The terminal as it was, for the handler below.
termios at_start;

/// Ctrl-C while the password is asked for: give the terminal its echo back, then end as usual.
void restore_and_end(int signal) {
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &at_start);
  ::signal(signal, SIG_DFL);
  raise(signal);
}

pid_t spawn(int notify_fd) {
  std::string program = "pkttyagent", pid = std::to_string(getpid()), fd = std::to_string(notify_fd);
  std::string process = "--process", fallback = "--fallback", notify = "--notify-fd";
  std::array argv{program.data(),
                  process.data(),
                  pid.data(),
                  fallback.data(),
                  notify.data(),
                  fd.data(),
                  static_cast<char*>(nullptr)};
  pid_t child = -1;
  return posix_spawnp(&child, program.c_str(), nullptr, nullptr, argv.data(), environ) == 0 ? child : -1;
}

/// The agent closes its end when it has registered, and also when it gives up: who looks tells them apart.
void wait_for_registration(int fd) {
  pollfd waiting{fd, POLLIN | POLLHUP, 0};
  while (poll(&waiting, 1, registration_ms) < 0 && errno == EINTR) continue;
}

}  // namespace

std::shared_ptr<PolkitAgent> PolkitAgent::start() {
  std::array<int, 2> ends{};
  termios before{};
  if (tcgetattr(STDIN_FILENO, &before) != 0 || pipe2(ends.data(), 0) != 0) return nullptr;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  const auto pid = spawn(ends[1]);
  close(ends[1]);
  if (pid > 0) wait_for_registration(ends[0]);
  close(ends[0]);
  if (pid <= 0) return nullptr;
  at_start = before;
  ::signal(SIGINT, restore_and_end);
  return std::shared_ptr<PolkitAgent>{new PolkitAgent{pid, before}};
}

PolkitAgent::~PolkitAgent() {
  kill(pid_, SIGTERM);
  kill(pid_, SIGCONT);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  ::signal(SIGINT, SIG_DFL);
}

}  // namespace gpuctl::cli
