// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/end_users.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "os/log.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {
namespace {

using Clock = std::chrono::steady_clock;
using Processes = std::map<pid_t, UniqueFd>;

bool send_signal(const UniqueFd& process, int signal) {
  return ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) == 0;
}

Processes hold(const DeviceUsers& users) {
  Processes held;
  for (const auto& user : users)
    if (may_be_ended(user) && !held.contains(user.pid))
      if (UniqueFd process{static_cast<int>(::syscall(SYS_pidfd_open, user.pid, 0))})
        held[user.pid] = std::move(process);
  return held;
}

/// Those that still have the GPU: what a held process of that number has cannot be another's.
void keep_users(Processes& held, const DeviceUsers& users) {
  std::erase_if(held, [&](const auto& entry) {
    return std::ranges::none_of(users,
                                [&](const auto& u) { return u.pid == entry.first && may_be_ended(u); });
  });
}

/// Signals all, then takes those out that end within `patience`.
void signal_and_wait(Processes& held, int signal, std::chrono::milliseconds patience) {
  std::erase_if(held, [&](const auto& entry) { return !send_signal(entry.second, signal); });
  const auto end = Clock::now() + patience;
  while (!held.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    std::vector<pollfd> fds;
    for (const auto& [pid, process] : held) fds.push_back({process.get(), POLLIN, 0});
    if (left <= 0 || ::poll(fds.data(), fds.size(), static_cast<int>(left)) <= 0) return;
    auto fd = fds.begin();
    std::erase_if(held, [&](const auto&) { return (fd++)->revents != 0; });
  }
}

void tell(const DeviceUsers& users, const Processes& held) {
  for (const auto& [pid, process] : held) {
    const auto user = std::ranges::find(users, pid, &DeviceUser::pid);
    log(events::user_ended,
        fmt::format("{} (pid {}) is ended, for it holds {} and the request was forced", user->comm, pid,
                    user->what),
        {.gpu = user->function.str()});
  }
}

}  // namespace

bool may_be_ended(const DeviceUser& user) {
  const bool sort = user.kind == HolderKind::program || user.kind == HolderKind::service ||
                    user.kind == HolderKind::container || user.kind == HolderKind::audio_server;
  return sort && user.pid > 1 && !user.will_let_go && !user.shared;
}

void end_users(const std::function<DeviceUsers()>& users, std::chrono::milliseconds patience) {
  auto held = hold(users());
  if (held.empty()) return;
  const auto still = users();
  keep_users(held, still);
  tell(still, held);
  signal_and_wait(held, SIGTERM, patience);
  signal_and_wait(held, SIGKILL, patience);
}

}  // namespace gpuctl
