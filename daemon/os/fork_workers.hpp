// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <set>
#include <utility>

#include "os/event_loop.hpp"
#include "os/unique_fd.hpp"
#include "os/worker.hpp"

namespace gpuctl {

/// Workers as forked processes. A worker ends with the daemon (PDEATHSIG), or, if it sits in a kernel call,
/// as soon as that call returns. Its argv[0] starts with '@', so that systemd-shutdown does not wait for it
/// (systemd src/shared/killall.c: ignore_proc).
class ForkWorkers : public WorkerPool {
 public:
  /// So many processes that nobody waits for any more may hang in the kernel; then start() throws
  /// Error(timed_out): each takes a descriptor.
  static constexpr std::size_t most_abandoned = 128;

  /// `argv0`: the daemon's own argv[0] in place, overwritten in the children; may be null.
  ForkWorkers(EventLoop& loop, char* argv0) : loop_(loop), argv0_(argv0) {}
  std::unique_ptr<Worker> start(const std::string& name, Body body, WorkerHandlers handlers) override;

  /// Closed in every child: what ends when its last descriptor does, and would else outlive the daemon in a
  /// stuck child - its name on the bus, a lock against sleep. `share` again before it is closed.
  void keep_from_children(int fd) { parent_only_.insert(fd); }
  void share(int fd) { parent_only_.erase(fd); }
  /// Kills a process nobody waits for any more and reaps it whenever the kernel lets it go.
  void abandon(pid_t pid, UniqueFd pidfd);

 private:
  void require_room() const;

  EventLoop& loop_;
  char* argv0_;
  std::set<int> parent_only_;
  std::map<pid_t, std::pair<UniqueFd, EventLoop::Source>> abandoned_;
};

}  // namespace gpuctl
