// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_lock.hpp"

#include <sys/file.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/file_lock.hpp"
#include "vm/domain_uuid.hpp"

namespace gpuctl {
namespace {

namespace fs = std::filesystem;

UniqueFd lock_of(const fs::path& dir, const std::string& uuid) {
  require_uuid(uuid);
  return open_lock(dir, uuid);
}

}  // namespace

DomainLock::DomainLock(const fs::path& dir, const Vm& vm, std::chrono::milliseconds longest)
    : file_(lock_of(dir, vm.uuid)) {
  if (lock_within(file_, LOCK_EX, longest)) return;
  if (errno != EWOULDBLOCK)
    throw Error(ErrorCode::state_unwritable,
                fmt::format("cannot lock {}: {}", dir.string(), std::strerror(errno)));
  throw Error(ErrorCode::busy,
              fmt::format("another operation changes the VM {}; try again when it is over", vm.name));
}

}  // namespace gpuctl
