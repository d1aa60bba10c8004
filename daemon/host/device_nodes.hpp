// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/pci_address.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

enum class NodeKind {
  drm,
  nvidia,         ///< /dev/nvidiaN
  nvidia_shared,  ///< /dev/nvidiactl, nvidia-modeset, nvidia-uvm: not of one GPU
  amd_shared,     ///< /dev/kfd
  sound,
  i2c,
  framebuffer,
  vfio,
  block,  ///< a disk behind the card's USB controller
  input,
  sysfs,  ///< an attribute file of the function: hwmon, resourceN; keeps no driver from leaving
  other,
};
std::string_view to_string(NodeKind kind);

/// One device file, or a run of minors of one, that leads to a GPU.
struct DeviceNode {
  std::string path;  ///< "/dev/dri/card1"; a prefix ("/dev/nvidia") when it stands for a run of minors
  NodeKind kind{};
  PciAddress function;
  unsigned major{};  ///< 0: not known, the path alone tells
  unsigned minor{}, last_minor{};
  bool shared{};  ///< other GPUs are reached through it too: its users need not be users of this one
  bool operator==(const DeviceNode&) const = default;
  bool is_run() const { return last_minor != minor; }
  bool has_number(unsigned a_major, unsigned a_minor) const {
    return major != 0 && major == a_major && minor <= a_minor && a_minor <= last_minor;
  }
};

/// All that leads to the functions of one GPU.
struct GpuNodes {
  std::vector<PciAddress> functions;
  std::vector<DeviceNode> nodes;
  std::vector<std::string> sysfs_dirs;  ///< "/sys/devices/pci0000:00/.../0000:01:00.0", one for each function
  bool operator==(const GpuNodes&) const = default;
};

/// Every `dev` attribute below the functions (DRM, sound, I2C, framebuffer, vfio-dev, USB devices, disks),
/// the VFIO group, and what the NVIDIA driver keeps outside sysfs.
GpuNodes device_nodes(const RootDir& root, const std::vector<PciAddress>& functions);

/// Display functions other than this GPU's.
std::vector<PciAddress> other_gpus(const RootDir& root, const GpuNodes& nodes);

}  // namespace gpuctl
