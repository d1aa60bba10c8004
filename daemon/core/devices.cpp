// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/devices.hpp"

#include <algorithm>

#include "core/hex.hpp"

namespace gpuctl {
namespace {

constexpr std::uint16_t intel = 0x8086, amd = 0x1022, ati = 0x1002;

/// The PSP of a Ryzen; driver ccp has it.
bool is_security_processor(const PciIdentity& id) { return id.vendor == amd && pci_class(id) == 0x1080; }

}  // namespace

std::string PciIdentity::ids() const { return hex(vendor, 4) + ':' + hex(device, 4); }

const PciFunction* Snapshot::find(PciAddress address) const {
  const auto it = functions.find(address);
  return it == functions.end() ? nullptr : &it->second;
}

/// Nearly always the GPU of its own slot. What a device link ties to another slot's has that link itself: the
/// kernel shows it at both ends.
const Gpu* Snapshot::gpu_of(PciAddress address) const {
  const auto holds = [address](const Gpu& gpu) {
    return std::ranges::find(gpu.functions, address) != gpu.functions.end();
  };
  const auto own = gpus.find(address.slot());
  if (own != gpus.end() && holds(own->second)) return &own->second;
  const auto* function = find(address);
  if (function == nullptr || function->linked.empty()) return nullptr;
  const auto it = std::ranges::find_if(gpus, [&](const auto& entry) { return holds(entry.second); });
  return it == gpus.end() ? nullptr : &it->second;
}

std::string_view to_string(GpuState state) {
  switch (state) {
    case GpuState::host:
      return "host";
    case GpuState::vm:
      return "vm";
    case GpuState::unbound:
      return "unbound";
    case GpuState::mixed:
      return "mixed";
    case GpuState::changing:
      return "changing";
    case GpuState::stuck:
      return "stuck";
  }
  return "mixed";
}

GpuState bound_state(const Gpu& gpu, const Snapshot& snapshot) {
  std::size_t host = 0;
  std::size_t vm = 0;
  std::size_t unbound = 0;
  for (const auto address : gpu.functions) {
    const auto* function = snapshot.find(address);
    if (function == nullptr) continue;
    if (function->driver.empty() && !function->uevent_driver.empty()) return GpuState::stuck;
    ++(function->driver.empty() ? unbound : function->vfio ? vm : host);
  }
  if (host + vm == 0) return GpuState::unbound;
  if (vm + unbound == 0) return GpuState::host;
  if (host + unbound == 0) return GpuState::vm;
  return GpuState::mixed;
}

bool is_at_home(const Gpu& gpu, const Snapshot& snapshot) {
  return bound_state(gpu, snapshot) != GpuState::stuck &&
         std::ranges::none_of(gpu.functions, [&](PciAddress address) {
           const auto* function = snapshot.find(address);
           return function != nullptr && function->vfio;
         });
}

std::string device_name(const PciFunction& f) {
  return f.names.device.empty() ? "Device " + hex(f.id.device, 4) : f.names.device;
}

std::string function_name(const PciFunction& f) {
  if (f.names.vendor.empty()) return "Device " + f.id.ids();
  return f.names.vendor + " " + device_name(f);
}

bool is_display(const PciIdentity& id) { return (id.class_code >> 16) == 0x03; }

bool is_companion(const PciIdentity& id) {
  const auto c = pci_class(id);
  return c == 0x0403 || c == 0x0c03 || c == 0x0c80;
}

bool is_integrated(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  if (display == nullptr) return false;
  if (display->id.vendor == intel) return gpu.address.bus == 0;
  return display->id.vendor == ati && std::ranges::any_of(snapshot.functions, [&](const auto& entry) {
           return entry.first.slot() == gpu.slot() && is_security_processor(entry.second.id);
         });
}

bool is_management_display(const Gpu& gpu, const Snapshot& snapshot) {
  constexpr std::uint16_t aspeed = 0x1a03, matrox = 0x102b;
  const auto* display = snapshot.find(gpu.address);
  return display != nullptr && (display->id.vendor == aspeed || display->id.vendor == matrox);
}

bool resets_alone(const PciFunction& function, bool has_neighbours) {
  return std::ranges::any_of(function.reset_methods, [has_neighbours](const std::string& method) {
    return method != "bus" || !has_neighbours;
  });
}

bool leaves_group_viable(const PciFunction& f) {
  return f.driver.empty() || f.vfio || f.driver == "pci-stub" || f.driver == "pcieport";
}

}  // namespace gpuctl
