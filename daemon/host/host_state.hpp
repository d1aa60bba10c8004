// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>

#include "core/devices.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Host facts that belong into a Snapshot. "none" as IOMMU also when units are there but isolate no device.
HostState read_host_state(const RootDir& root);

/// MUX switch of ASUS laptops: 0 = the panel hangs off the discrete GPU, 1 = Optimus; nothing where there is
/// none. Linux: Documentation/ABI/testing/sysfs-platform-asus-wmi; newer kernels have it in asus-armoury.
std::optional<int> read_gpu_mux_mode(const RootDir& root);
/// Where it is read, below the root; "" where there is none.
std::string gpu_mux_file(const RootDir& root);

}  // namespace gpuctl
