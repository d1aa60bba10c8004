// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/file_lock.hpp"
#include "vm/domain_uuid.hpp"

namespace gpuctl {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path) {
  throw Error(ErrorCode::state_unwritable,
              fmt::format("cannot lock {}: {}", path.string(), std::strerror(errno)));
}

UniqueFd open_lock(const fs::path& dir, const std::string& uuid) {
  require_uuid(uuid);
  std::error_code ignored;
  fs::create_directories(dir.parent_path(), ignored);
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) fail(dir);
  const auto path = dir / (uuid + ".lock");
  UniqueFd file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) fail(path);
  return file;
}

}  // namespace

DomainLock::DomainLock(const fs::path& dir, const Vm& vm, std::chrono::milliseconds longest)
    : file_(open_lock(dir, vm.uuid)) {
  if (lock_within(file_, LOCK_EX, longest)) return;
  if (errno != EWOULDBLOCK) fail(dir);
  throw Error(ErrorCode::busy,
              fmt::format("another operation changes the VM {}; try again when it is over", vm.name));
}

}  // namespace gpuctl
