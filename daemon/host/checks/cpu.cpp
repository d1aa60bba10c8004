// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/checks/checks.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

constexpr auto cpuinfo = "/proc/cpuinfo";

bool cpu_flag(const RootDir& root, std::string_view flag) {
  for (const auto& line : lines(root.text("proc/cpuinfo")))
    if (line.starts_with("flags")) return has_word(line, flag);
  return false;
}

/// Linux clears vmx when firmware locked VMX off (arch/x86/kernel/cpu/feat_ctl.c), so off and absent look
/// alike.
void no_virtualization(const HostFacts& host, Problems& found) {
  if (cpu_flag(host.root, "hypervisor")) {
    found.push_back(
        {"cpu-virtualization", Severity::blocker, cpuinfo,
         "this system is itself a virtual machine, and its hypervisor does not pass vmx or svm on",
         "allow nested virtualization for this VM on its host (CPU mode host-passthrough)"});
    return;
  }
  const bool amd = host.cpu == CpuVendor::amd;
  found.push_back(
      {"cpu-virtualization", Severity::blocker, cpuinfo,
       "the CPU shows neither vmx nor svm: hardware virtualization is switched off (perhaps locked) in the "
       "firmware setup, or the CPU has none",
       host.into_firmware_setup() + (amd ? " and switch on \"SVM Mode\" (\"AMD-V\")"
                                         : " and switch on \"Intel Virtualization Technology\" (\"VT-x\")")});
}

}  // namespace

void cpu(const HostFacts& host, Problems& found) {
  const auto& kind = host.snapshot.host.virtualization;
  if (kind == "none") return no_virtualization(host, found);
  found.push_back({"cpu-virtualization", Severity::ok, cpuinfo,
                   kind == "vmx" ? "VT-x is on (flag vmx)" : "AMD-V is on (flag svm)", ""});
  if (cpu_flag(host.root, "hypervisor"))
    found.push_back(
        {"running-in-vm", Severity::info, cpuinfo,
         "this system is itself a virtual machine: its GPUs and IOMMU are what its hypervisor shows", ""});
}

}  // namespace gpuctl::checks
