// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <set>
#include <string>
#include <vector>

#include "rebind/binding.hpp"

namespace gpuctl {

struct NativeDriver {
  std::string driver;  ///< empty: none known
  std::string module;
  bool kept_away{};  ///< by modprobe.d, as all that would have the device
};

/// The PCI driver that would have a device whose alias matches `modules`: a registered one first, else the
/// first whose driver's name is known and whose module is not `kept_away` by modprobe.d (nouveau, where
/// NVIDIA's own driver is installed), else the first. VFIO drivers are passed over.
NativeDriver native_driver(const std::vector<std::string>& modules, const Drivers& registered,
                           const std::set<std::string>& kept_away = {});

/// Modules that match the alias without having a PCI driver, as parts of this one: nvidia_drm for "nvidia".
/// udev loads them by the event of an added device, not of a bound one.
std::vector<std::string> modules_beside(const std::string& driver, const std::vector<std::string>& modules,
                                        const std::set<std::string>& kept_away);

}  // namespace gpuctl
