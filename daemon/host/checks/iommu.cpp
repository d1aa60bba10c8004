// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/checks/checks.hpp"
#include "host/iommu_support.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

constexpr auto cmdline = "/proc/cmdline";

std::string technology(bool intel) { return intel ? "VT-d" : "AMD-Vi"; }

/// Capability registers are printed in hexadecimal without 0x.
std::uint64_t hex(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

void in_firmware(const HostFacts& host, const IommuSupport& support, Problems& found) {
  const auto name = technology(support.intel);
  if (support.stage != IommuStage::not_in_firmware) {
    found.push_back({"iommu-firmware", Severity::ok, support.table,
                     fmt::format("firmware has {} switched on (the ACPI table is there)", name), ""});
    return;
  }
  found.push_back(
      {"iommu-firmware", Severity::blocker, support.table,
       fmt::format(
           "firmware gives no {} table: {} is switched off in the firmware setup, or this board has none; "
           "no kernel argument can change that",
           support.intel ? "DMAR" : "IVRS", name),
       host.into_firmware_setup() +
           (support.intel
                ? " and switch on \"VT-d\" (\"Intel VT for Directed I/O\"); VT-x alone is not enough"
                : " and switch on \"IOMMU\" (\"AMD-Vi\"; \"Auto\" is off on many boards)")});
}

void in_kernel(const HostFacts& host, const IommuSupport& support, Problems& found) {
  const auto name = technology(support.intel);
  switch (support.stage) {
    case IommuStage::not_in_firmware:
      return;
    case IommuStage::active:
      found.push_back(
          {"iommu-kernel", Severity::ok, "/sys/class/iommu",
           fmt::format("the kernel uses {} ({})", name, fmt::join(host.root.list("sys/class/iommu"), ", ")),
           ""});
      return;
    case IommuStage::off_by_argument:
      found.push_back(
          {"iommu-kernel", Severity::blocker, cmdline,
           fmt::format("the kernel argument {} switches the IOMMU off", support.off_word),
           "take it out with `gpuctl kernel-args enable` (see `gpuctl kernel-args plan`), then reboot"});
      return;
    case IommuStage::off_by_default:
      found.push_back(
          {"iommu-kernel", Severity::blocker, cmdline,
           "VT-d is on in firmware, but this kernel uses it only with the argument intel_iommu=on",
           "add it with `gpuctl kernel-args enable` (see `gpuctl kernel-args plan`), then reboot"});
      return;
    case IommuStage::failed:
      found.push_back(
          {"iommu-kernel", Severity::blocker, "/sys/class/iommu",
           fmt::format("{} is on in firmware and not switched off on the command line, and still the kernel "
                       "does not use it",
                       name),
           fmt::format("read why with `journalctl -k -b -g \"{}\"`; a firmware update often helps",
                       support.intel ? "DMAR" : "AMD-Vi")});
  }
}

void groups(const HostFacts& host, const IommuSupport& support, Problems& found) {
  if (support.stage != IommuStage::active) return;
  const auto count = host.root.list("sys/kernel/iommu_groups").size();
  found.push_back(
      {"iommu-groups", Severity::ok, "/sys/kernel/iommu_groups", fmt::format("{} groups", count), ""});
}

bool all_units_remap(const RootDir& root) {
  constexpr std::uint64_t ecap_interrupt_remapping = 1U << 3U;
  return std::ranges::all_of(root.list("sys/class/iommu"), [&](const auto& unit) {
    const auto ecap = root.read("sys/class/iommu/" + unit + "/intel-iommu/ecap");
    return !ecap || (hex(*ecap) & ecap_interrupt_remapping) != 0;
  });
}

enum class Remapping { on, off, unknown };

/// Interrupt chips behind a remapping unit are called IR-IO-APIC, IR-PCI-MSI
/// (drivers/iommu/intel/irq_remapping.c, drivers/iommu/amd/iommu.c).
Remapping seen_remapping(const RootDir& root) {
  const auto text = root.text("proc/interrupts");
  if (text.find("IR-") != std::string::npos) return Remapping::on;
  return text.find("IO-APIC") == std::string::npos ? Remapping::unknown : Remapping::off;
}

bool unsafe_interrupts(const RootDir& root) {
  return root.text("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts") == "Y";
}

/// VFIO refuses devices then (EPERM): a guest could inject interrupts into the host.
Problem no_remapping(const HostFacts& host, const char* subject, const std::string& message,
                     std::string remedy) {
  const bool allowed = unsafe_interrupts(host.root);
  return {"interrupt-remapping", allowed ? Severity::warning : Severity::blocker, subject,
          message + (allowed ? "; VFIO accepts devices all the same, by allow_unsafe_interrupts"
                             : "; VFIO then refuses devices"),
          std::move(remedy)};
}

Problem remapping(const char* subject, std::string message) {
  return {"interrupt-remapping", Severity::ok, subject, std::move(message), ""};
}

/// What the kernel's interrupts show; what its IOMMU units say they can, where those are not to be had.
Problem remapping_by_hardware(const HostFacts& host, const IommuSupport& support) {
  const auto remedy =
      host.into_firmware_setup() + " and switch on \"Interrupt Remapping\" or x2APIC, or update the firmware";
  if (!all_units_remap(host.root))
    return no_remapping(host, "/sys/class/iommu", "an IOMMU unit has no interrupt remapping (ecap bit 3)",
                        remedy);
  switch (seen_remapping(host.root)) {
    case Remapping::on:
      return remapping("/proc/interrupts", "interrupts are remapped");
    case Remapping::off:
      return no_remapping(host, "/proc/interrupts", "the kernel does not remap interrupts (no IR-IO-APIC)",
                          fmt::format("read why with `journalctl -k -b -g \"{}\"`; {}",
                                      support.intel ? "DMAR-IR" : "AMD-Vi", remedy));
    case Remapping::unknown:
      break;
  }
  return remapping("/sys/class/iommu", support.intel ? "every IOMMU unit can remap interrupts"
                                                     : "nothing speaks against it: AMD-Vi remaps by itself");
}

void interrupt_remapping(const HostFacts& host, const IommuSupport& support, Problems& found) {
  if (support.stage != IommuStage::active) return;
  const auto argument = host.command_line.list("intremap");
  const bool off = std::ranges::find(argument, "off") != argument.end();
  found.push_back(off ? no_remapping(host, cmdline,
                                     "the kernel argument intremap=off switches interrupt remapping off",
                                     "take intremap=off out of the kernel arguments and reboot")
                      : remapping_by_hardware(host, support));
}

void danger(const HostFacts& host, Problems& found) {
  if (host.snapshot.host.unsafe_noiommu)
    found.push_back(
        {"vfio-noiommu", Severity::warning, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
         "VFIO runs devices without an IOMMU: nothing keeps them from any memory, and QEMU refuses them",
         "remove enable_unsafe_noiommu_mode from /etc/modprobe.d and the kernel arguments, then reboot"});
  if (unsafe_interrupts(host.root))
    found.push_back(
        {"vfio-unsafe-interrupts", Severity::warning,
         "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
         "VFIO accepts devices without interrupt remapping: a guest can inject interrupts into the host",
         "remove allow_unsafe_interrupts from /etc/modprobe.d and the kernel arguments, then reboot"});
}

}  // namespace

void iommu(const HostFacts& host, Problems& found) {
  const auto support = read_iommu_support(host.root, host.command_line);
  in_firmware(host, support, found);
  in_kernel(host, support, found);
  groups(host, support, found);
  interrupt_remapping(host, support, found);
  danger(host, found);
}

void iommu_arguments(const HostFacts& host, Problems& found) {
  if (host.command_line.value("amd_iommu") == "on")
    found.push_back({"amd-iommu-on", Severity::info, cmdline,
                     "amd_iommu=on does nothing: Linux knows no such value, AMD-Vi is on by itself",
                     "it can be left out"});
  if (host.snapshot.host.acs_override)
    found.push_back({"acs-override", Severity::warning, cmdline,
                     "pcie_acs_override= makes groups look narrower than the hardware isolates (on kernels "
                     "with that patch; "
                     "others ignore it): a guest may reach other devices' memory",
                     "remove it and use a slot with a group of its own"});
  const auto passthrough =
      host.command_line.value("iommu.passthrough") == "1" || host.command_line.has("iommu=pt");
  if (passthrough)
    found.push_back(
        {"iommu-passthrough-mode", Severity::info, cmdline,
         "host devices are not translated (iommu=pt): faster for the host, VMs are isolated all the same",
         ""});
}

}  // namespace gpuctl::checks
