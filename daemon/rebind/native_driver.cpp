// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/native_driver.hpp"

#include <algorithm>
#include <array>
#include <optional>
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

/// Debian packages several branches of NVIDIA's driver under names of their own, nvidia_current_drm and the
/// like; loaded they are nvidia and nvidia_drm, and modprobe.d makes `modprobe nvidia` find them.
std::string loaded_name(const std::string& module) {
  constexpr std::array<std::string_view, 3> branches{"nvidia_current", "nvidia_tesla", "nvidia_legacy"};
  constexpr std::array<std::string_view, 4> parts{"_drm", "_modeset", "_uvm", "_peermem"};
  if (std::ranges::none_of(branches, [&](auto branch) { return module.starts_with(branch); })) return module;
  const auto part = std::ranges::find_if(parts, [&](auto each) { return module.ends_with(each); });
  return "nvidia" + std::string(part == parts.end() ? "" : *part);
}

std::string driver_of(const std::string& module) {
  const auto row = std::ranges::find(other_names, module, [](const auto& r) { return r.first; });
  return row == other_names.end() ? module : std::string(row->second);
}

bool is_vfio_module(const std::string& module) { return module.ends_with("vfio_pci"); }

}  // namespace

NativeDriver native_driver(const std::vector<std::string>& modules, const Drivers& registered,
                           const std::set<std::string>& kept_away) {
  std::optional<NativeDriver> loadable;
  NativeDriver first;
  for (const auto& name : modules) {
    if (is_vfio_module(name)) continue;
    const auto module = loaded_name(name);
    for (const auto& [driver, its_module] : registered)
      if (its_module == module) return {driver, module};
    if (driver_of(module).empty()) continue;
    if (first.driver.empty()) first = {driver_of(module), module, true};
    const bool may_load = !kept_away.contains(name) && !kept_away.contains(module);
    if (!loadable && may_load) loadable = {driver_of(module), module};
  }
  return loadable.value_or(first);
}

std::vector<std::string> modules_beside(const std::string& driver, const std::vector<std::string>& modules,
                                        const std::set<std::string>& kept_away) {
  std::vector<std::string> beside;
  for (const auto& name : modules) {
    const auto module = loaded_name(name);
    const bool is_part = driver_of(module).empty() && module.starts_with(driver + "_");
    if (is_part && !kept_away.contains(name) && !kept_away.contains(module)) beside.push_back(module);
  }
  return beside;
}

}  // namespace gpuctl
