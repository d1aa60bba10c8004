// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <vector>

#include "host/device_nodes.hpp"

namespace gpuctl {

/// N of /dev/nvidiaN, from /proc/driver/nvidia/gpus/ADDRESS/information; nothing when the driver does not
/// say.
std::optional<unsigned> nvidia_minor(const RootDir& root, PciAddress address);

/// Nodes of a function bound to the NVIDIA driver (kernel-open/common/inc/nv-chardev-numbers.h: major 195,
/// GPUs are minors 0 to 247). Where the driver does not tell the minor, every minor that no other GPU is
/// known to have counts as this GPU's: rather a holder too many than a write that never returns.
std::vector<DeviceNode> nvidia_nodes(const RootDir& root, PciAddress address);

/// Major number that /proc/devices gives a character device; nothing if it is not registered.
std::optional<unsigned> char_major(const RootDir& root, std::string_view name);

}  // namespace gpuctl
