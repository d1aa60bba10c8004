// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/isolation.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "inventory/card_problems.hpp"

namespace gpuctl {
namespace {

using Members = std::set<PciAddress>;

bool is_intel(const HostState& host) { return host.iommu == "intel" || host.virtualization == "vmx"; }

/// A snapshot does not hold the command line: where the argument is right already, the doctor knows more.
std::string iommu_remedy(const HostState& host) {
  if (host.iommu_in_firmware && is_intel(host))
    return "The firmware describes an IOMMU but the kernel does not use it: add the kernel argument "
           "intel_iommu=on (gpuctl kernel-args enable) and reboot; if it is there already, see gpuctl "
           "doctor.";
  if (host.iommu_in_firmware)
    return "The firmware describes an IOMMU but the kernel does not use it: remove amd_iommu=off or "
           "iommu=off from the kernel arguments (gpuctl kernel-args enable) and reboot; if neither is there, "
           "see gpuctl doctor.";
  if (is_intel(host))
    return "Switch on VT-d (Intel Virtualization Technology for Directed I/O) in the firmware setup, and "
           "boot with the kernel argument intel_iommu=on.";
  if (host.virtualization == "svm")
    return "Switch on IOMMU (AMD-Vi) in the firmware setup; the kernel then uses it without any argument.";
  return "Switch on the IOMMU (Intel VT-d, AMD-Vi) in the firmware setup; on Intel also boot with "
         "intel_iommu=on.";
}

Problems host_problems(const HostState& host) {
  Problems found;
  if (host.iommu == "none")
    found.push_back(blocker("iommu-off", "iommu",
                            "No IOMMU is active, so a device cannot be given to a VM safely.",
                            iommu_remedy(host)));
  if (host.unsafe_noiommu)
    found.push_back(
        warning("unsafe-noiommu", "vfio",
                "vfio runs with enable_unsafe_noiommu_mode: devices without an IOMMU can be opened and then "
                "write to all of the host's memory.",
                "Load vfio without enable_unsafe_noiommu_mode=1."));
  if (host.acs_override)
    found.push_back(
        warning("acs-override", "kernel",
                "The kernel was started with pcie_acs_override=: IOMMU groups are a claim of that patch, not "
                "isolation the hardware guarantees.",
                "Remove pcie_acs_override= if the VM is not to be trusted with the host's other devices."));
  return found;
}

Problem foreign_in_group(const PciFunction& function, const IommuGroup& group) {
  return blocker(
      "foreign-in-group", function.address.str(),
      fmt::format("IOMMU group {} also holds {}, which the host uses and which is no part of the GPU.",
                  group.number, title(function)),
      fmt::format("Move the card to another slot, or free {} of its driver if the host can do without it; "
                  "gpuctl never takes a foreign device along.",
                  function.address.str()));
}

/// The kernel allows it, but a group has one owner: both devices in one VM, or one of them in none.
Problem shared_group(const PciFunction& function, const IommuGroup& group) {
  return warning("group-shared", function.address.str(),
                 fmt::format("IOMMU group {} also holds {}: no other VM can use that while this one runs.",
                             group.number, title(function)),
                 "Give both devices to the same VM.");
}

Problem goes_along(const PciFunction& function, const IommuGroup& group) {
  return {"foreign-in-group", Severity::info, function.address.str(),
          fmt::format("IOMMU group {} also holds {}, which goes to the same VM when that starts.",
                      group.number, title(function)),
          ""};
}

Problems foreign_problems(const IommuGroup& group, const Members& own, const Snapshot& snapshot,
                          const Members& along) {
  Problems found;
  for (const auto address : group.functions) {
    const auto* function = snapshot.find(address);
    if (function == nullptr || own.contains(address)) continue;
    if (along.contains(address)) {
      if (!leaves_group_viable(*function)) found.push_back(goes_along(*function, group));
      continue;
    }
    if (function->vfio) found.push_back(shared_group(*function, group));
    if (!leaves_group_viable(*function)) found.push_back(foreign_in_group(*function, group));
  }
  return found;
}

Problems region_problems(const IommuGroup& group) {
  Problems found;
  for (const auto& region : group.reserved_regions) {
    if (region.type != "direct") continue;
    found.push_back(blocker(
        "reserved-region", fmt::format("group {}", group.number),
        fmt::format("Firmware demands direct access to memory {:#x}-{:#x} for IOMMU group {} (RMRR), so "
                    "the kernel refuses to assign it.",
                    region.start, region.end, group.number),
        "Look for a firmware update or a firmware setting that releases the device (often a "
        "management or legacy feature); there is no safe way round it."));
  }
  return found;
}

Problems noiommu_problems(const IommuGroup& group) {
  if (group.name != "vfio-noiommu") return {};
  return {
      blocker("noiommu", fmt::format("group {}", group.number),
              fmt::format("Group {} was made without an IOMMU: it isolates nothing, and VMs cannot use it.",
                          group.number),
              "Switch on the IOMMU and load vfio without enable_unsafe_noiommu_mode=1.")};
}

Problems problems_of(const IommuGroup& group, const Members& own, const Snapshot& snapshot,
                     const Members& along = {}) {
  auto found = foreign_problems(group, own, snapshot, along);
  append(found, region_problems(group));
  append(found, noiommu_problems(group));
  return found;
}

/// Which functions of a group belong together: those of its (first) GPU, else of its first slot with an
/// endpoint.
Members own_functions(const IommuGroup& group, const Snapshot& snapshot) {
  for (const auto address : group.functions)
    if (const auto* gpu = snapshot.gpu_of(address)) return {gpu->functions.begin(), gpu->functions.end()};
  Members own;
  for (const auto address : group.functions) {
    const auto* function = snapshot.find(address);
    if (function == nullptr || function->bridge) continue;
    if (own.empty() || own.begin()->slot() == address.slot()) own.insert(address);
  }
  return own;
}

}  // namespace

Problems shared_problems(const Gpu& gpu, const Snapshot& snapshot, const std::set<PciAddress>& along) {
  auto found = host_problems(snapshot.host);
  const Members own{gpu.functions.begin(), gpu.functions.end()};
  for (const auto number : group_numbers(gpu, snapshot))
    if (const auto group = snapshot.groups.find(number); group != snapshot.groups.end())
      append(found, problems_of(group->second, own, snapshot, along));
  return found;
}

Problems attach_problems(const Gpu& gpu, const Snapshot& snapshot, const std::set<PciAddress>& along) {
  auto found = shared_problems(gpu, snapshot, along);
  append(found, card_problems(gpu, snapshot, along));
  std::ranges::stable_sort(found, {}, &Problem::severity);
  return found;
}

void leave_out_passing(Problems& problems) {
  std::erase_if(problems, [](const Problem& problem) { return problem.id == "unbind-hangs"; });
}

Problems group_problems(const IommuGroup& group, const Snapshot& snapshot) {
  return problems_of(group, own_functions(group, snapshot), snapshot);
}

bool is_isolated(const IommuGroup& group, const Snapshot& snapshot) {
  return !is_blocked(group_problems(group, snapshot));
}

bool may_be_forced(std::string_view problem_id) {
  constexpr std::array<std::string_view, 3> forcible{"boot-display", "display-in-use", "mux-discrete"};
  return std::ranges::find(forcible, problem_id) != forcible.end();
}

}  // namespace gpuctl
