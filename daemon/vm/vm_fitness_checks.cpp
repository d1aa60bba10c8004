// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_fitness_checks.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/shell_word.hpp"
#include "vm/domain_demand.hpp"
#include "vm/hostdev.hpp"

namespace gpuctl::fitness {
namespace {

constexpr std::uint16_t nvidia_vendor = 0x10de;
constexpr std::uint64_t gib = 1024ULL * 1024 * 1024;

bool is_nvidia(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* function = snapshot.find(gpu.address);
  return function && function->id.vendor == nvidia_vendor;
}

std::string where_gpus_are(const Snapshot& snapshot) {
  std::vector<std::string> addresses;
  for (const auto& [slot, gpu] : snapshot.gpus) addresses.push_back(gpu.address.str());
  return addresses.empty() ? "the host has no GPU now"
                           : fmt::format("the host's GPUs are at {}", fmt::join(addresses, ", "));
}

std::string stale_remedy(const Subject& vm, const Hostdev& hostdev) {
  if (hostdev.own) return fmt::format("'gpuctl vm setup {}' takes it out", shell_word(vm.vm.name));
  return fmt::format("change or remove the hostdev with 'sudo virsh edit {}'; {}", shell_word(vm.vm.name),
                     where_gpus_are(vm.snapshot));
}

void check_hostdev(const Subject& vm, const Hostdev& hostdev) {
  const auto* function = vm.snapshot.find(hostdev.function);
  if (!function)
    return vm.blocker(
        "hostdev-gone",
        fmt::format("The definition has {}, and there is no such device.", hostdev.function.str()),
        stale_remedy(vm, hostdev));
  if (hostdev.own && !vm.snapshot.gpu_of(hostdev.function))
    vm.blocker("hostdev-stale",
               fmt::format("{} was a GPU when it was added; now it is {} [{}].", hostdev.function.str(),
                           function->names.device.empty() ? "another device" : function->names.device,
                           function->id.ids()),
               stale_remedy(vm, hostdev));
}

/// The address may be right and the device another one, which libvirt would hand over without a word.
void check_other_devices(const Subject& vm, const std::vector<PciAddress>& claimed) {
  if (!claimed_gpus(claimed, vm.snapshot).empty()) return;
  for (const auto& hostdev : hostdevs(vm.vm.inactive_xml)) {
    const auto* function = vm.snapshot.find(hostdev.function);
    if (!function || hostdev.own) continue;
    vm.info(
        "hostdev-not-gpu",
        fmt::format("The definition has no GPU; {} in it is {} [{}].", hostdev.function.str(),
                    function->names.device.empty() ? "another device" : function->names.device,
                    function->id.ids()),
        fmt::format("if it is meant to be the GPU, which has moved, change it with 'sudo virsh edit {}': {}",
                    shell_word(vm.vm.name), where_gpus_are(vm.snapshot)));
  }
}

void check_completeness(const Subject& vm, const std::vector<PciAddress>& claimed) {
  const auto is_claimed = [&](PciAddress a) { return std::ranges::count(claimed, a) > 0; };
  for (const auto slot : claimed_gpus(claimed, vm.snapshot))
    if (!std::ranges::all_of(vm.snapshot.gpus.at(slot).functions, is_claimed))
      vm.warning("vm-partial-gpu",
                 fmt::format("The definition of {} has only some functions of the GPU.", vm.vm.name),
                 "gpuctl adds the missing ones; some guest drivers want them all in one slot");
}

void check_file(const Subject& vm, const std::string& path, bool firmware) {
  const auto found = vm.host.files.find(path);
  if (found == vm.host.files.end()) return;
  if (found->second.kind != HostFile::Kind::regular)
    return vm.blocker(firmware ? "vm-firmware-missing" : "vm-file-missing",
                      fmt::format("The definition names {}, and there is no such file.", path),
                      firmware
                          ? fmt::format("install ovmf (Debian, Ubuntu) or edk2-ovmf (Fedora, Arch); a newer "
                                        "one may have other images (Debian 13 and Ubuntu 24.04 none of 2 "
                                        "MiB): take one of these with 'sudo virsh edit {}', and an NVRAM "
                                        "file of its size",
                                        shell_word(vm.vm.name))
                          : "put the file there, or take it out of the definition");
  if (firmware) return;
  if (!found->second.reachable)
    vm.warning("vm-file-unreadable",
               fmt::format("{} cannot be read by everybody, so not by QEMU's user.", path),
               fmt::format("chmod a+r {0}, and a+x the directories above it", path));
  if (!vm.host.apparmor.allows(path, 'r'))
    vm.warning("vm-file-apparmor", fmt::format("AppArmor does not let QEMU read {}.", path),
               fmt::format("add the line '{} r,' to {}", path, vm.host.apparmor.place));
}

void check_bars(const Subject& vm, const Gpu& gpu) {
  const auto bar = vm.host.largest_bar.find(gpu.address);
  if (bar == vm.host.largest_bar.end() || bar->second < gib) return;
  if (vm.facts.uefi() && vm.facts.cpu_mode == "host-passthrough") return;
  vm.warning(
      "vm-large-bar",
      fmt::format(
          "{} has a BAR of {} GiB; the guest's firmware makes room for it only with UEFI and the host's "
          "own address width.",
          gpu.address.str(), bar->second / gib),
      "use UEFI firmware and <cpu mode='host-passthrough'/>");
}

void check_mobile(const Subject& vm, const Gpu& gpu) {
  if (!vm.host.laptop || !is_nvidia(gpu, vm.snapshot)) return;
  if (vm.facts.acpi_tables.empty())
    vm.warning("vm-no-battery", "NVIDIA's laptop drivers stop with Code 43 in a guest without a battery.",
               fmt::format("gpuctl vm setup {} --battery", shell_word(vm.vm.name)));
  const auto* function = vm.snapshot.find(gpu.address);
  if (function && !function->has_rom && !vm.facts.roms.contains(gpu.address))
    vm.info(
        "vm-no-rom",
        fmt::format(
            "{} has no option ROM of its own, which is normal for a laptop GPU without a display of its own; "
            "it cannot show the guest's boot screen.",
            gpu.address.str()),
        fmt::format("nothing, as a rule; if the guest's driver asks for one: gpuctl vm setup {} --rom FILE",
                    shell_word(vm.vm.name)));
}

}  // namespace

bool Subject::has_nvidia() const {
  return std::ranges::any_of(gpus, [&](const Gpu& gpu) { return is_nvidia(gpu, snapshot); });
}

std::vector<Gpu> all_gpus(const Vm& vm, const Snapshot& snapshot, const std::vector<Gpu>& more) {
  auto slots = claimed_gpus(claimed_functions(vm.inactive_xml), snapshot);
  for (const auto& gpu : more) slots.insert(gpu.slot());
  std::vector<Gpu> all;
  for (const auto& slot : slots)
    if (const auto gpu = snapshot.gpus.find(slot); gpu != snapshot.gpus.end()) all.push_back(gpu->second);
  return all;
}

void check_hostdevs(const Subject& vm) {
  for (const auto& hostdev : hostdevs(vm.vm.inactive_xml)) check_hostdev(vm, hostdev);
  const auto claimed = claimed_functions(vm.vm.inactive_xml);
  check_completeness(vm, claimed);
  check_other_devices(vm, claimed);
}

void check_files(const Subject& vm) {
  if (!vm.facts.loader.empty()) check_file(vm, vm.facts.loader, true);
  for (const auto& table : vm.facts.acpi_tables) check_file(vm, table, false);
  for (const auto& [function, rom] : vm.facts.roms) check_file(vm, rom, false);
}

void check_gpus(const Subject& vm) {
  for (const auto& gpu : vm.gpus) {
    check_bars(vm, gpu);
    check_mobile(vm, gpu);
  }
}

}  // namespace gpuctl::fitness
