// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <sys/types.h>
#include <termios.h>

#include <memory>

namespace gpuctl::cli {

/// polkit's text agent (pkttyagent) for this process, as long as the object lives: without one nobody can be
/// asked for a password on a terminal or through ssh. A graphical agent of the session goes before it.
class PolkitAgent {
 public:
  /// Starts it and waits until it has registered with polkit; nothing if it is not installed or cannot
  /// register.
  static std::shared_ptr<PolkitAgent> start();
  ~PolkitAgent();
  PolkitAgent(const PolkitAgent&) = delete;
  PolkitAgent& operator=(const PolkitAgent&) = delete;

 private:
  PolkitAgent(pid_t pid, const termios& before) : pid_(pid), before_(before) {}

  pid_t pid_;
  termios before_;  ///< the agent switches echo off while it asks
};

}  // namespace gpuctl::cli
