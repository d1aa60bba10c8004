// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/services_lock.hpp"

#include <sys/file.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/file_lock.hpp"

namespace gpuctl {
namespace {

using std::chrono::milliseconds;

/// Nothing where it cannot be had at all.
UniqueFd lock_of(const std::filesystem::path& dir, const std::string& driver) try {
  return open_lock(dir, driver);
} catch (const Error&) {
  return {};
}

}  // namespace

void ServicesLock::keep_stopped(const std::string& driver) {
  if (file_ || driver.empty()) return;
  auto file = lock_of(dir_, driver);
  if (file && lock_within(file, LOCK_SH, std::exchange(patience_.keep, milliseconds{})))
    file_ = std::move(file);
}

void ServicesLock::start(const std::string& driver, const std::function<void()>& start) {
  let_start();
  const auto file = driver.empty() ? UniqueFd{} : lock_of(dir_, driver);
  if (file && !lock_within(file, LOCK_EX, patience_.start) && errno == EWOULDBLOCK) {
    patience_.start = {};
    throw Error(ErrorCode::busy,
                fmt::format("another GPU is still being taken from {}, which would wait for it", driver));
  }
  start();
}

}  // namespace gpuctl
