// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>

#include <sys/types.h>

#include "os/root_dir.hpp"

namespace gpuctl {

/// Where a process belongs, as its control group tells. Empty where it does not apply.
struct ProcessOwner {
  std::string unit;       ///< unit of the system manager: "nvidia-persistenced.service", "session-2.scope"
  std::string user_unit;  ///< unit of the user's manager: "app-steam-4711.scope"
  std::string session;    ///< logind session: "2"
  std::string machine;    ///< virtual machine or nspawn container: "qemu-1-win11"
  std::string container;  ///< "docker 0123456789ab", "lxc web"
  bool operator==(const ProcessOwner&) const = default;
};

/// From the text of /proc/PID/cgroup (unified hierarchy, or systemd's named one).
ProcessOwner owner_of(std::string_view cgroup);

/// What one process is; all empty when it has ended.
struct ProcessInfo {
  std::string comm;     ///< name, at most 15 characters
  std::string command;  ///< command line in one line, control characters escaped, at most 4096 bytes
  uid_t uid{};          ///< real user id
  ProcessOwner owner;
  bool operator==(const ProcessInfo&) const = default;
};

ProcessInfo process_info(const RootDir& root, pid_t pid);

/// Undoes systemd's \xNN in unit names; what is no escape stays as it is.
std::string unescape_unit(std::string_view name);

}  // namespace gpuctl
