// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <csignal>

namespace gpuctl::cli {

/// While it lives, Ctrl-C (SIGINT) and SIGTERM do not end the program but make a descriptor readable.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  int fd() const { return fd_; }
  bool pending() const;
  /// Takes what has come, so that the descriptor is readable again only after the next one.
  void take() const;

 private:
  sigset_t before_{};
  int fd_{-1};
};

}  // namespace gpuctl::cli
