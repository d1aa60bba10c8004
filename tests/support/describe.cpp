// SPDX-License-Identifier: GPL-2.0-or-later
#include "support/describe.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpuctl::test {
namespace {

std::vector<std::string> texts(const std::vector<PciAddress>& addresses) {
  std::vector<std::string> list;
  for (const auto address : addresses) list.push_back(address.str());
  return list;
}

std::string describe(const Connector& connector) {
  return fmt::format("{}{}{}", connector.name, connector.connected ? " connected" : "",
                     connector.enabled ? " enabled" : "");
}

std::string describe(const PciFunction& f) {
  auto text = fmt::format("{} [{:06x}] {} sub {:04x}:{:04x} rev {:02x}\n", f.address.str(), f.id.class_code,
                          f.id.ids(), f.id.subsystem_vendor, f.id.subsystem_device, f.revision);
  text += fmt::format("  names: {} | {} | {} | {} | {}\n", f.names.class_name, f.names.vendor, f.names.device,
                      f.names.subsystem_vendor, f.names.subsystem_device);
  text += fmt::format("  driver: {} uevent {} override {} vfio {}\n", f.driver, f.uevent_driver,
                      f.driver_override, f.vfio);
  text += fmt::format("  modules: {}\n", fmt::join(f.modules, ", "));
  text += fmt::format("  reset: {}\n", fmt::join(f.reset_methods, " "));
  text += fmt::format("  power: {} {} {} d3cold {}\n", f.power_state, f.runtime_status, f.power_control,
                      f.d3cold_allowed ? (*f.d3cold_allowed ? "1" : "0") : "-");
  text +=
      fmt::format("  group: {} parent {} linked {}\n", f.iommu_group ? std::to_string(*f.iommu_group) : "-",
                  f.parent ? f.parent->str() : "-", fmt::join(texts(f.linked), " "));
  text +=
      fmt::format("  bridge {} boot_vga {} present {} rom {} pf {} vfs {}\n", f.bridge, f.boot_vga, f.present,
                  f.has_rom, f.physical_function ? f.physical_function->str() : "-", f.virtual_functions);
  for (const auto& connector : f.connectors) text += fmt::format("  connector: {}\n", describe(connector));
  return text;
}

std::string describe(const IommuGroup& group) {
  auto text = fmt::format("group {} {} '{}': {}\n", group.number, group.type, group.name,
                          fmt::join(texts(group.functions), " "));
  for (const auto& region : group.reserved_regions)
    text += fmt::format("  reserved: {:x}-{:x} {}\n", region.start, region.end, region.type);
  return text;
}

}  // namespace

std::string describe(const Snapshot& snapshot) {
  const auto& host = snapshot.host;
  auto text = fmt::format("host iommu {} (firmware {}) virtualization {} noiommu {} acs {} mux {}\n",
                          host.iommu, host.iommu_in_firmware, host.virtualization, host.unsafe_noiommu,
                          host.acs_override, host.gpu_mux_mode ? std::to_string(*host.gpu_mux_mode) : "-");
  for (const auto& [slot, gpu] : snapshot.gpus)
    text +=
        fmt::format("gpu {} {}: {}\n", slot.str(), gpu.address.str(), fmt::join(texts(gpu.functions), " "));
  for (const auto& [number, group] : snapshot.groups) text += describe(group);
  for (const auto& [address, function] : snapshot.functions) text += describe(function);
  return text;
}

std::string describe(const Problems& problems) {
  std::string text;
  for (const auto& problem : problems)
    text += fmt::format("{} {} {}\n", to_string(problem.severity), problem.id, problem.subject);
  return text;
}

}  // namespace gpuctl::test
