// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/interrupts.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace gpuctl::cli {

Interrupts::Interrupts() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  sigprocmask(SIG_BLOCK, &wanted, &before_);
  fd_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

Interrupts::~Interrupts() {
  take();
  if (fd_ >= 0) close(fd_);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

bool Interrupts::pending() const {
  pollfd signal{fd_, POLLIN, 0};
  return poll(&signal, 1, 0) > 0;
}

void Interrupts::take() const {
  signalfd_siginfo info{};
  while (fd_ >= 0 && read(fd_, &info, sizeof info) > 0) continue;
}

}  // namespace gpuctl::cli
