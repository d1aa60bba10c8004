// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/checks/checks.hpp"

namespace gpuctl::checks {
namespace {

bool shows_picture(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  return display != nullptr && std::ranges::any_of(display->connectors, &Connector::enabled);
}

bool is_boot_display(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  return display != nullptr && display->boot_vga;
}

bool any_is_free(const Snapshot& snapshot) {
  return std::ranges::any_of(snapshot.gpus,
                             [&](const auto& entry) { return !stays_with_host(entry.second, snapshot); });
}

/// Where another one can go this one is well where it is, and an integrated one always is.
std::string boot_display_remedy(const Gpu& gpu, const Snapshot& snapshot) {
  if (snapshot.host.gpu_mux_mode == 0) return "switch the MUX to Optimus (hybrid) mode, which frees this GPU";
  const bool alone = snapshot.gpus.size() < 2 || is_management_display(gpu, snapshot);
  if (snapshot.host.gpu_mux_mode || alone || is_integrated(gpu, snapshot) || any_is_free(snapshot)) return "";
  return "make the other GPU the primary display in the firmware setup";
}

std::string name_of(const PciFunction& function) {
  return fmt::format("{} ({}, driver {})", function.address.str(), function.id.ids(),
                     function.driver.empty() ? "none" : function.driver);
}

}  // namespace

bool stays_with_host(const Gpu& gpu, const Snapshot& snapshot) {
  return is_boot_display(gpu, snapshot) || shows_picture(gpu, snapshot) || is_integrated(gpu, snapshot);
}

void gpu_display(const HostFacts& host, const Gpu& gpu, Problems& found) {
  const auto subject = gpu.address.str();
  if (is_boot_display(gpu, host.snapshot)) {
    found.push_back(
        {"gpu-boot-display", Severity::info, subject,
         "the firmware's picture and the console come from this GPU (boot_vga = 1): it stays with the host",
         boot_display_remedy(gpu, host.snapshot)});
  } else if (shows_picture(gpu, host.snapshot)) {
    found.push_back({"gpu-boot-display", Severity::info, subject,
                     "a screen on this GPU shows a picture (a connector is enabled): it stays with the host "
                     "as long as that "
                     "is so",
                     "plug the screen into another GPU, or switch the MUX to hybrid mode"});
  } else {
    found.push_back(
        {"gpu-boot-display", Severity::ok, subject, "the host's picture does not come from this GPU", ""});
  }
}

/// Whom the GPU shares its group with; bridges do not count, unless their driver is in the way.
struct Neighbours {
  std::vector<std::string> names;
  bool in_use{};  ///< the kernel would not give the group to a VM
};

Neighbours neighbours(const HostFacts& host, const Gpu& gpu, const IommuGroup& group) {
  Neighbours found;
  for (const auto address : group.functions) {
    const auto* other = host.snapshot.find(address);
    const bool own = std::ranges::find(gpu.functions, address) != gpu.functions.end();
    if (own || other == nullptr || (other->bridge && leaves_group_viable(*other))) continue;
    found.names.push_back(name_of(*other));
    found.in_use |= !leaves_group_viable(*other);
  }
  return found;
}

void reserved_regions(const std::string& subject, unsigned number, const IommuGroup& group, Problems& found) {
  for (const auto& region : group.reserved_regions)
    if (region.type == "direct")
      found.push_back(
          {"gpu-reserved-region", Severity::blocker, subject,
           fmt::format(
               "firmware asks for a 1:1 mapping ({:#x}-{:#x}, type direct) in group {}: the kernel refuses "
               "to give such devices to VMs",
               region.start, region.end, number),
           "look for a firmware setting of shared memory or remote management for this slot, or use another "
           "slot"});
}

Problem group_finding(const std::string& subject, unsigned number, const Neighbours& others) {
  if (others.names.empty())
    return {"gpu-iommu-group", Severity::ok, subject, fmt::format("alone in IOMMU group {}", number), ""};
  const auto names = fmt::format("{}", fmt::join(others.names, ", "));
  if (others.in_use)
    return {"gpu-iommu-group", Severity::blocker, subject,
            fmt::format("IOMMU group {} also holds {}: a group goes to a VM as a whole", number, names),
            "move the card to another slot (one on the CPU rather than the chipset), or switch on ACS in the "
            "firmware setup"};
  return {"gpu-iommu-group", Severity::warning, subject,
          fmt::format(
              "IOMMU group {} also holds {}, unused now; no host driver may take it while a VM has the GPU",
              number, names),
          ""};
}

void gpu_group(const HostFacts& host, const Gpu& gpu, Problems& found) {
  const auto subject = gpu.address.str();
  const auto* display = host.snapshot.find(gpu.address);
  if (display == nullptr || host.snapshot.host.iommu == "none") return;  // the IOMMU checks have said it
  if (!display->iommu_group) {
    found.push_back({"gpu-iommu-group", Severity::blocker, subject,
                     "the IOMMU does not cover this GPU: it is in no group",
                     "update the firmware; `journalctl -k -b -g \"DMAR|AMD-Vi\"` may tell why"});
    return;
  }
  const auto group = host.snapshot.groups.find(*display->iommu_group);
  if (group == host.snapshot.groups.end()) return;
  reserved_regions(subject, group->first, group->second, found);
  found.push_back(group_finding(subject, group->first, neighbours(host, gpu, group->second)));
}

void gpu(const HostFacts& host, const Gpu& gpu, Problems& found) {
  gpu_display(host, gpu, found);
  gpu_group(host, gpu, found);
  if (stays_with_host(gpu, host.snapshot)) return;
  gpu_hardware(host, gpu, found);
}

}  // namespace gpuctl::checks
