// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

namespace gpuctl {

/// The child's end of a worker's pipe.
class WorkerChannel {
 public:
  virtual ~WorkerChannel() = default;
  /// One message to the daemon (any bytes, up to 16 MiB). Throws Error(internal) if the daemon has gone.
  virtual void send(const std::string& message) = 0;
  /// A message from the daemon if one has come; does not wait.
  virtual std::optional<std::string> poll() = 0;
  /// Waits for a message at most `milliseconds` (-1: for ever); `extra_fd` readable ends the wait too.
  virtual std::optional<std::string> wait(int milliseconds, int extra_fd = -1) = 0;
};

/// A running worker, seen from the daemon. Destroying it forgets the process (it is killed, never waited
/// for).
class Worker {
 public:
  virtual ~Worker() = default;
  virtual pid_t pid() const = 0;
  virtual void send(const std::string& message) = 0;
};

struct WorkerHandlers {
  std::function<void(std::string message)> on_message;
  /// The process has ended: exit status, or 128 + signal. Called once, after the last message.
  std::function<void(int status)> on_exit;
};

/// Runs work that may block - kernel writes, libvirt calls, scans of /proc - in expendable processes forked
/// from the single-threaded daemon, so that no such work can stop it from answering, stopping or restarting.
class WorkerPool {
 public:
  using Body = std::function<void(WorkerChannel&)>;
  virtual ~WorkerPool() = default;
  /// `body` runs in the child, with its own copy of everything it captured; an exception ends it with
  /// status 1.
  virtual std::unique_ptr<Worker> start(const std::string& name, Body body, WorkerHandlers handlers) = 0;
};

}  // namespace gpuctl
