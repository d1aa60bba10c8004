// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/file_lock.hpp"

#include <sys/file.h>

#include <cerrno>
#include <thread>

namespace gpuctl {

/// flock(2) knows no deadline, so it is asked again and again.
bool lock_within(const UniqueFd& file, int how, std::chrono::milliseconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  while (::flock(file.get(), how | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    if (std::chrono::steady_clock::now() >= end) return errno = EWOULDBLOCK, false;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  return true;
}

}  // namespace gpuctl
