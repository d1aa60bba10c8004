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
DeviceUsers kernel_users(const RootDir& root, const GpuNodes& nodes);

}  // namespace gpuctl
