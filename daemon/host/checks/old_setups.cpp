// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/old_setup.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/checks/checks.hpp"

namespace gpuctl::checks {
namespace {

std::string addresses(const std::vector<PciAddress>& all) {
  std::vector<std::string> texts;
  for (const auto address : all) texts.push_back(address.str());
  return texts.empty() ? "nothing in this machine" : fmt::format("{}", fmt::join(texts, ", "));
}

bool takes_boot_display(const std::vector<PciAddress>& all, const Snapshot& snapshot) {
  return std::ranges::any_of(all, [&](auto address) {
    const auto* f = snapshot.find(address);
    return f != nullptr && f->boot_vga;
  });
}

/// The one card that is meant; nullptr: several or none, the user has to say.
const Gpu* meant(const std::vector<PciAddress>& taken, const Snapshot& snapshot) {
  const Gpu* found = nullptr;
  for (const auto address : taken) {
    const auto* gpu = snapshot.gpu_of(address);
    if (gpu == nullptr || gpu == found || stays_with_host(*gpu, snapshot)) continue;
    if (found != nullptr) return nullptr;
    found = gpu;
  }
  return found;
}

std::string replacement(const HostFacts& host, const OldSetup& old, const std::vector<PciAddress>& taken) {
  if (old.path == "etc/modprobe.d/supergfxd.conf") return "`supergfxctl -m Hybrid` takes it out";
  const auto* gpu = meant(taken, host.snapshot);
  const auto set = fmt::format("name the one card by its address: `gpuctl boot set {} vm",
                               gpu == nullptr ? "GPU" : gpu->address.str());
  if (old.kind == OldSetup::Kind::kernel_argument)
    return set + "`, then `gpuctl kernel-args enable --drop-vfio-ids`";
  if (gpu == nullptr || !old.path.starts_with("etc/")) return set + "`, then remove this line";
  return set + (names_only(old, *gpu, host.snapshot) ? " --migrate` puts this out of action"
                                                     : " --migrate` takes the card's ids out of this line");
}

void by_ids(const HostFacts& host, const OldSetup& old, Problems& found) {
  const auto taken = functions_with(old.ids, host.snapshot);
  const bool display = takes_boot_display(taken, host.snapshot);
  found.push_back(
      {"vfio-ids", Severity::warning, "/" + old.path,
       fmt::format("\"{}\" gives {} to vfio-pci at every boot, by id and not by address{}", old.line,
                   addresses(taken), display ? "; one of them shows the host's picture" : ""),
       replacement(host, old, taken)});
}

}  // namespace

void old_setups(const HostFacts& host, Problems& found) {
  for (const auto& old : find_old_setups(host.root, host.command_line)) switch (old.kind) {
      case OldSetup::Kind::modprobe_options:
      case OldSetup::Kind::kernel_argument:
        by_ids(host, old, found);
        break;
      case OldSetup::Kind::softdep:
        break;  // harmless without ids=
      case OldSetup::Kind::driverctl:
        found.push_back(
            {"driverctl-override", Severity::warning, "/" + old.path,
             fmt::format("driverctl sets the driver \"{}\" at every boot", old.line),
             fmt::format("sudo driverctl unset-override {}", old.path.substr(old.path.find("pci-") + 4))});
        break;
      case OldSetup::Kind::initramfs_script:
        found.push_back({"initramfs-override", Severity::warning, "/" + old.path,
                         "a script in the initramfs sets driver overrides at every boot",
                         "replace it by `gpuctl boot set GPU vm`, then remove it and rebuild the initramfs"});
        break;
    }
}

}  // namespace gpuctl::checks
