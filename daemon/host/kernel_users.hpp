// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <compare>
#include <string>
#include <string_view>

#include "host/device_users.hpp"

namespace gpuctl {

/// Version of a driver: "580.95.05".
struct DriverVersion {
  unsigned major{}, minor{}, patch{};
  /// Missing parts count as 0; all 0 for what is no version.
  static DriverVersion parse(std::string_view text);
  auto operator<=>(const DriverVersion&) const = default;
};

/// What the NVIDIA modules are set to.
struct NvidiaDrm {
  DriverVersion version;
  bool loaded{};
  bool modeset{}, fbdev{};
  bool operator==(const NvidiaDrm&) const = default;
};
NvidiaDrm nvidia_drm_state(const RootDir& root);

/// nvidia-drm lets go of one GPU by itself (nv_drm_remove): since 580.105.08, and in the beta 580.94.06, not
/// in 580.95.05.
bool has_gpu_hooks(DriverVersion version);

/// nvidia-drm keeps every GPU open for its whole life, so that an unbind waits until the module is unloaded.
bool nvidia_drm_pins_gpu(const NvidiaDrm& drm);

/// The kernel's own holders: nvidia-drm, a text console on the GPU's framebuffer, mounted disks behind its
/// USB port.
///
/// Not among them: persistence mode that `nvidia-smi -pm 1` has set without nvidia-persistenced. No file
/// tells of it - only NVML does, which would open the GPU and wake it - and nothing needs to know: it holds
/// no usage count, and the driver's own remove() ends it (kernel-open/nvidia/nv-pci.c: nv_pci_remove_helper
/// calls rm_disable_gpu_state_persistence for NV_FLAG_PERSISTENT_SW_STATE). An unbind does not wait for it;
/// it is off when the GPU comes home. nvidia-persistenced holds /dev/nvidiaN open and is found as any other
/// process is.
DeviceUsers kernel_users(const RootDir& root, const GpuNodes& nodes);

}  // namespace gpuctl
