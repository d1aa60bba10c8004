// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "host/checks/checks.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

/// "none [integrity] confidentiality"
std::string current_lockdown(const RootDir& root) {
  const auto text = root.text("sys/kernel/security/lockdown");
  const auto open = text.find('[');
  const auto close = text.find(']');
  return open == std::string::npos || close < open ? "" : text.substr(open + 1, close - open - 1);
}

/// Four bytes of attributes, then the value (UEFI specification 8.2, Linux efivarfs).
bool secure_boot(const RootDir& root) {
  const auto variable = root.text("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
  return variable.size() >= 5 && variable[4] == 1;
}

}  // namespace

void lockdown(const HostFacts& host, Problems& found) {
  if (secure_boot(host.root))
    found.push_back({"secure-boot", Severity::info, "/sys/firmware/efi/efivars",
                     "Secure Boot is on: modules built here (NVIDIA by DKMS, kvmfr) load only when signed "
                     "with an enrolled key",
                     ""});
  const auto level = current_lockdown(host.root);
  if (level.empty() || level == "none") {
    found.push_back(
        {"lockdown", Severity::ok, "/sys/kernel/security/lockdown", "the kernel is not locked down", ""});
    return;
  }
  found.push_back(
      {"lockdown", level == "confidentiality" ? Severity::warning : Severity::info,
       "/sys/kernel/security/lockdown",
       fmt::format(
           "kernel lockdown is \"{}\": moving a GPU and VFIO work all the same; unsigned modules, writes "
           "to PCI config space from user space and ACPI table overrides do not",
           level),
       "nothing to do, unless a module of yours does not load: sign it and enroll the key with `mokutil "
       "--import`"});
}

void firmware(const HostFacts& host, Problems& found) {
  const bool uefi = host.root.exists("sys/firmware/efi");
  found.push_back({"host-firmware", uefi ? Severity::ok : Severity::info, "/sys/firmware/efi",
                   uefi ? "the host booted by UEFI"
                        : "the host booted by legacy BIOS (CSM): its display takes the legacy VGA ranges, "
                          "and graphics ROMs "
                          "without UEFI part are the rule",
                   uefi ? "" : "switch CSM off in the firmware setup if the installation can boot by UEFI"});
}

}  // namespace gpuctl::checks
