// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/iommu_support.hpp"

#include <algorithm>

#include "host/text.hpp"

namespace gpuctl {
namespace {

bool is_intel_cpu(const RootDir& root) {
  for (const auto& line : lines(root.text("proc/cpuinfo")))
    if (line.starts_with("vendor_id")) return line.ends_with("GenuineIntel");
  return false;
}

bool is_active(const RootDir& root) {
  return !root.list("sys/class/iommu").empty() && !root.list("sys/kernel/iommu_groups").empty();
}

/// The argument that switches it off, "" if none does. A later intel_iommu=on takes an earlier off back;
/// iommu=off and amd_iommu=off stand (arch/x86/kernel/pci-dma.c, drivers/iommu/amd/init.c).
std::string off_argument(const KernelCommandLine& line, bool intel) {
  const auto values = line.list("iommu");
  if (std::ranges::find(values, "off") != values.end()) return "iommu=off";
  if (intel) {
    const auto value = line.value("intel_iommu").value_or("");
    return value == "off" || value.starts_with("off,") ? "intel_iommu=off" : "";
  }
  return line.value("amd_iommu") == "off" ? "amd_iommu=off" : "";
}

bool asked_for(const KernelCommandLine& line) {
  const auto values = line.list("intel_iommu");
  return std::ranges::find(values, "on") != values.end();
}

}  // namespace

IommuSupport read_iommu_support(const RootDir& root, const KernelCommandLine& command_line) {
  IommuSupport support;
  const bool dmar = root.exists("sys/firmware/acpi/tables/DMAR");
  const bool ivrs = root.exists("sys/firmware/acpi/tables/IVRS");
  support.intel = dmar || (!ivrs && is_intel_cpu(root));
  support.table = support.intel ? "/sys/firmware/acpi/tables/DMAR" : "/sys/firmware/acpi/tables/IVRS";
  support.off_word = off_argument(command_line, support.intel);
  if (is_active(root)) {
    support.stage = IommuStage::active;
  } else if (!dmar && !ivrs) {
    support.stage = IommuStage::not_in_firmware;
  } else if (!support.off_word.empty()) {
    support.stage = IommuStage::off_by_argument;
  } else if (support.intel && !asked_for(command_line)) {
    support.stage = IommuStage::off_by_default;
  } else {
    support.stage = IommuStage::failed;
  }
  return support;
}

ArgumentChange needed_iommu_arguments(const IommuSupport& support) {
  if (support.stage == IommuStage::off_by_default) return {{"intel_iommu=on"}, {}};
  if (support.stage != IommuStage::off_by_argument) return {};
  if (support.off_word == "intel_iommu=off") return {{"intel_iommu=on"}, {"intel_iommu=off"}};
  if (support.intel) return {{"intel_iommu=on"}, {support.off_word}};
  return {{}, {support.off_word}};
}

}  // namespace gpuctl
