// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/services_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <utility>

#include "core/error.hpp"
#include "os/file_lock.hpp"

namespace gpuctl {

void ServicesLock::keep_stopped() {
  if (file_) return;
  UniqueFd file{::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (lock_within(file, LOCK_SH, patience_)) file_ = std::move(file);
}

void ServicesLock::start(const std::function<void()>& start) {
  let_start();
  const UniqueFd file{::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!lock_within(file, LOCK_EX, patience_) && errno == EWOULDBLOCK)
    throw Error(ErrorCode::busy, "another GPU is being taken from its driver, and would be held by it");
  start();
}

}  // namespace gpuctl
