// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/host_state.hpp"

#include <string>
#include <string_view>

#include "host/kernel_command_line.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

/// Names as the drivers register them (iommu_device_sysfs_add): dmar0, ivhd0, smmu3.0x2b400000, ...
std::string kind_of(const std::string& unit) {
  if (unit.starts_with("dmar")) return "intel";
  if (unit.starts_with("ivhd")) return "amd";
  if (unit.starts_with("smmu3")) return "arm-smmu-v3";
  if (unit.starts_with("smmu")) return "arm-smmu";
  return unit.substr(0, unit.find_first_of(".0123456789"));
}

std::string read_iommu(const RootDir& root) {
  if (root.list("sys/kernel/iommu_groups").empty()) return "none";
  const auto units = root.list("sys/class/iommu");
  return units.empty() ? "none" : kind_of(units.front());
}

/// Existence is enough: the tables' contents are for root's eyes, and the kernel has parsed them.
bool firmware_describes_iommu(const RootDir& root) {
  return root.exists("sys/firmware/acpi/tables/DMAR") || root.exists("sys/firmware/acpi/tables/IVRS") ||
         root.exists("sys/firmware/acpi/tables/IORT");
}

/// One processor stands for all: Linux refuses to bring up processors that differ in these.
std::string read_virtualization(const RootDir& root) {
  for (const auto& line : lines(root.text("proc/cpuinfo"))) {
    if (!line.starts_with("flags")) continue;
    if (has_word(line, "vmx")) return "vmx";
    return has_word(line, "svm") ? "svm" : "none";
  }
  return "none";
}

}  // namespace

std::string gpu_mux_file(const RootDir& root) {
  for (const auto* path : {"sys/class/firmware-attributes/asus-armoury/attributes/gpu_mux_mode/current_value",
                           "sys/devices/platform/asus-nb-wmi/gpu_mux_mode"})
    if (const auto mode = root.text(path); mode == "0" || mode == "1") return path;
  return {};
}

std::optional<int> read_gpu_mux_mode(const RootDir& root) {
  const auto file = gpu_mux_file(root);
  return file.empty() ? std::nullopt : std::optional{root.text(file) == "1" ? 1 : 0};
}

HostState read_host_state(const RootDir& root) {
  HostState state;
  state.iommu = read_iommu(root);
  state.iommu_in_firmware = firmware_describes_iommu(root);
  state.virtualization = read_virtualization(root);
  state.unsafe_noiommu = root.text("sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y";
  state.acs_override = KernelCommandLine(root.text("proc/cmdline")).value("pcie_acs_override").has_value();
  state.gpu_mux_mode = read_gpu_mux_mode(root);
  return state;
}

}  // namespace gpuctl
