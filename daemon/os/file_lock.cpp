// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path) {
  throw Error(ErrorCode::state_unwritable,
              fmt::format("cannot lock {}: {}", path.string(), std::strerror(errno)));
}

}  // namespace

UniqueFd open_lock(const fs::path& dir, const std::string& name) {
  std::error_code ignored;
  fs::create_directories(dir.parent_path(), ignored);
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) fail(dir);
  const auto path = dir / (name + ".lock");
  UniqueFd file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) fail(path);
  return file;
}

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
