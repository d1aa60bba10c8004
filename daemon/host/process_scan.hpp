// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <sys/types.h>

#include "host/device_nodes.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// How a holder was found.
enum class Via {
  fd,          ///< an open descriptor with the node's device number
  map,         ///< a mapping; it outlives the descriptor
  fdinfo,      ///< a descriptor whose fdinfo names the GPU
  kernel,      ///< the kernel itself
  mount,       ///< a mounted file system
  unreadable,  ///< processes that could not be looked into
};
std::string_view to_string(Via via);

/// One process and one file through which it reaches the GPU.
struct Hold {
  pid_t pid{};
  std::string what;  ///< "/dev/nvidia0", a sysfs attribute
  NodeKind kind{};
  PciAddress function;
  bool shared{};
  Via via{};
  auto operator<=>(const Hold&) const = default;
};

struct ProcessScan {
  std::vector<Hold> holds;        ///< each (process, file) once, ordered by process
  std::vector<pid_t> unreadable;  ///< the kernel refused a look: never to be taken for "holds nothing"
};

/// Looks through the descriptors and mappings of every process. Descriptors are compared by device number,
/// which also finds a node opened in another mount namespace; where there is no number (a captured machine)
/// by path. Takes some 3 us for each descriptor; may block on a process stuck in the kernel, so: worker
/// processes only.
ProcessScan scan_processes(const RootDir& root, const GpuNodes& nodes);

}  // namespace gpuctl
