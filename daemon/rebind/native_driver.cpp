// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/native_driver.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace gpuctl {
namespace {

/// Modules whose PCI driver has another name, and those that match the alias without having a PCI driver
/// (empty).
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> other_names{{
    {"xhci_pci", "xhci_hcd"},
    {"i2c_nvidia_gpu", "nvidia-gpu"},
    {"i2c_designware_pci", "i2c-designware-pci"},
    {"nvidia_drm", ""},
    {"nvidia_modeset", ""},
    {"nvidia_uvm", ""},
}};

std::string driver_of(const std::string& module) {
  const auto row = std::ranges::find(other_names, module, [](const auto& r) { return r.first; });
  return row == other_names.end() ? module : std::string(row->second);
}

bool is_vfio_module(const std::string& module) { return module.ends_with("vfio_pci"); }

}  // namespace

NativeDriver native_driver(const std::vector<std::string>& modules, const Drivers& registered) {
  NativeDriver first;
  for (const auto& module : modules) {
    if (is_vfio_module(module)) continue;
    for (const auto& [driver, its_module] : registered)
      if (its_module == module) return {driver, module};
    if (first.driver.empty() && !driver_of(module).empty()) first = {driver_of(module), module};
  }
  return first;
}

}  // namespace gpuctl
