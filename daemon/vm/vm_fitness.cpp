// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_fitness.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/shell_word.hpp"
#include "vm/hostdev.hpp"
#include "vm/vm_fitness_checks.hpp"

namespace gpuctl {
namespace {

using namespace fitness;

bool wants_windows_11(const DomainFacts& facts) { return facts.os_id.ends_with("/win/11"); }

void check_firmware_choice(const Subject& vm) {
  const auto& facts = vm.facts;
  const auto suits = [&](const FirmwareImage& image) {
    return image.uefi && image.fits(facts.arch, facts.machine);
  };
  const bool secure = facts.secure_boot.value_or(false) || facts.loader_secure;
  if (std::ranges::none_of(vm.host.firmware, suits))
    return vm.blocker("vm-firmware-missing",
                      fmt::format("No UEFI firmware for machine type {} is installed.", facts.machine),
                      "install ovmf (Debian, Ubuntu) or edk2-ovmf (Fedora, Arch)");
  if (secure && std::ranges::none_of(vm.host.firmware, [&](const auto& image) {
        return suits(image) && image.has("secure-boot") &&
               (!facts.enrolled_keys.value_or(false) || image.has("enrolled-keys"));
      }))
    vm.blocker("vm-secure-boot-missing", "The VM wants Secure Boot, and no installed UEFI firmware has it.",
               "install the Secure Boot variant of OVMF, or disable the secure-boot feature in <firmware>");
}

void check_bios(const Subject& vm) {
  const bool installed = std::ranges::any_of(
      vm.host.firmware, [&](const auto& image) { return image.uefi && image.fits(vm.facts.arch, "q35"); });
  vm.warning(
      "vm-firmware-bios",
      "The VM boots with BIOS; GPUs of today bring a UEFI driver only, and large BARs need UEFI.",
      fmt::format("{}make the VM with UEFI firmware (<os firmware='efi'>); an installed guest must be "
                  "reinstalled",
                  installed ? "" : "install ovmf (Debian, Ubuntu) or edk2-ovmf (Fedora, Arch), then "));
}

void check_secure_boot(const Subject& vm) {
  const auto& facts = vm.facts;
  if (facts.loader_secure || facts.secure_boot.value_or(false))
    vm.info("vm-secure-boot", "Secure Boot is on: unsigned drivers do not load in the guest.",
            "take signed drivers, or say <feature enabled='no' name='secure-boot'/> in <firmware>");
  else if (wants_windows_11(facts))
    vm.info("vm-secure-boot-off", "Windows 11 wants Secure Boot and the VM has none.",
            "say <feature enabled='yes' name='secure-boot'/> in <firmware>");
}

void check_firmware(const Subject& vm) {
  const auto& facts = vm.facts;
  if (!facts.uefi()) return check_bios(vm);
  if (facts.firmware == "efi") check_firmware_choice(vm);
  if (facts.loader_secure && !facts.loader.empty() && !facts.smm)
    vm.blocker("vm-smm", "Secure Boot firmware needs System Management Mode, which the VM lacks.",
               "add <smm state='on'/> to <features>");
  check_secure_boot(vm);
}

void check_tpm(const Subject& vm) {
  if (vm.facts.tpm_backend == "emulator" && !vm.host.swtpm)
    vm.blocker(
        "vm-swtpm-missing", "The VM has an emulated TPM, and the emulator is not installed.",
        "install swtpm and swtpm-tools (Debian, Ubuntu: swtpm-tools; Fedora: swtpm-tools; Arch: swtpm)");
  if (vm.facts.tpm_backend.empty() && wants_windows_11(vm.facts))
    vm.warning("vm-tpm-missing", "Windows 11 wants a TPM and the VM has none.",
               "add <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>");
}

/// A virtual IOMMU that remaps interrupts needs QEMU's interrupt controller.
void check_interrupts(const Subject& vm) {
  if (vm.facts.ioapic == "qemu" && vm.facts.viommu.empty())
    vm.warning("vm-ioapic",
               "The interrupt controller is QEMU's; interrupts of passed-through devices are slow with it.",
               "remove <ioapic driver='qemu'/> or say 'kvm'");
  if (vm.facts.viommu == "intel" && !vm.facts.viommu_caching)
    vm.blocker("vm-viommu-caching",
               "The VM has a virtual IOMMU without caching mode; QEMU refuses devices of the host with it.",
               "say <driver caching_mode='on'/> in <iommu model='intel'>, or take it out");
}

void check_visibility(const Subject& vm) {
  if (!vm.facts.kvm_hidden)
    return vm.info("vm-kvm-visible",
                   "NVIDIA's Windows drivers before version 465 stop with Code 43 when they see KVM; newer "
                   "ones do not mind.",
                   "take a driver of today, or add <kvm><hidden state='on'/></kvm> to <features>");
  if (vm.facts.hyperv && vm.facts.hyperv_vendor_id.empty())
    vm.info("vm-hyperv-visible",
            "KVM is hidden, but NVIDIA's Windows drivers before version 465 also stop at Hyper-V's own name.",
            "take a driver of today, or add <vendor_id state='on' value='anything'/> to <hyperv>");
}

void check_cpu(const Subject& vm) {
  const auto& facts = vm.facts;
  if (facts.type != "kvm")
    vm.warning("vm-no-kvm", "The VM's processor is emulated (no KVM): everything in it is many times slower.",
               "use <domain type='kvm'>; see 'gpuctl doctor' if KVM is not available");
  else if (facts.cpu_mode != "host-passthrough" && facts.cpu_mode != "maximum")
    vm.warning("vm-cpu-model",
               "The guest sees a generic processor: drivers may miss features, and large BARs address bits.",
               "use <cpu mode='host-passthrough'/>");
  check_interrupts(vm);
  if (vm.has_nvidia() && facts.windows()) check_visibility(vm);
}

void check_hugepages(const Subject& vm) {
  const auto size = vm.facts.hugepage_kib ? vm.facts.hugepage_kib : vm.host.default_hugepage_kib;
  if (size == 0 || is_active(vm.vm)) return;
  if (!vm.host.hugetlbfs.contains(size))
    vm.blocker(
        "vm-hugepages-mount", fmt::format("No file system for huge pages of {} KiB is mounted.", size),
        size == vm.host.default_hugepage_kib
            ? "systemctl unmask --now dev-hugepages.mount"
            : fmt::format("mount -t hugetlbfs -o pagesize={}K hugetlbfs /dev/hugepages-{}k (in /etc/fstab, "
                          "and libvirtd restarted)",
                          size, size));
  const auto found = vm.host.hugepages.find(size);
  const auto free = found == vm.host.hugepages.end() ? 0 : found->second.free;
  const auto used = found == vm.host.hugepages.end() ? 0 : found->second.total - free;
  const auto needed = (vm.facts.memory_kib + size - 1) / size;
  if (free < needed)
    vm.blocker(
        "vm-hugepages",
        fmt::format("The VM needs {} huge pages of {} KiB, and {} are free.", needed, size, free),
        fmt::format("echo {} > /sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages", used + needed, size));
}

void check_memory(const Subject& vm) {
  const auto memory = vm.facts.memory_kib, limit = vm.facts.hard_limit_kib;
  constexpr std::uint64_t gib_in_kib = 1024 * 1024;
  if (limit && limit < memory + gib_in_kib)
    vm.warning(
        "vm-memory-limit",
        fmt::format("<hard_limit> is {} MiB; VFIO locks the guest's {} MiB and QEMU needs about 1024 more.",
                    limit / 1024, memory / 1024),
        "remove <hard_limit>, and libvirt chooses it");
  if (vm.facts.hugepages) return check_hugepages(vm);
  if (vm.host.memory_kib && memory > vm.host.memory_kib)
    vm.blocker(
        "vm-memory-too-large",
        fmt::format("The VM has {} MiB, more than the host; with a GPU all of it is locked.", memory / 1024),
        "give the VM less memory");
  else if (vm.host.available_kib && memory > vm.host.available_kib && !is_active(vm.vm))
    vm.warning(
        "vm-memory-tight",
        fmt::format("The VM has {} MiB, all of it locked while it has a GPU, and {} MiB are available.",
                    memory / 1024, vm.host.available_kib / 1024),
        "close programs, or give the VM less memory");
}

void check_display(const Subject& vm) {
  const auto& videos = vm.facts.videos;
  const bool emulated = std::ranges::any_of(videos, [](const auto& model) { return model != "none"; });
  if (emulated)
    vm.info("vm-video",
            fmt::format("The VM has an emulated screen ({}) beside the GPU; guests may show things there.",
                        fmt::join(videos, ", ")),
            "keep it until the guest's driver works; then <model type='none'/>, or Looking Glass");
  if (!vm.facts.balloon.empty() && vm.facts.balloon != "none")
    vm.info("vm-memballoon", "The memory balloon does nothing while a GPU is passed through.",
            "say <memballoon model='none'/>");
}

}  // namespace

Problems machine_problems(const std::string& vm, const DomainFacts& facts) {
  if (!facts.has_pci)
    return {{"vm-no-pci", Severity::blocker, vm,
             fmt::format("The machine type {} has no PCI bus.", facts.machine),
             "use a VM of machine type q35"}};
  if (facts.pci_express) return {};
  return {{"vm-machine-i440fx", Severity::warning, vm,
           fmt::format("The VM's machine type{} has no PCI Express; many GPU drivers want it.",
                       facts.machine.empty() ? "" : " " + facts.machine),
           "make the VM with machine type q35 (an installed guest rarely survives the change)"}};
}

Problems saved_state_problems(const Vm& vm) {
  if (!vm.managed_save || is_active(vm)) return {};
  return {{"vm-managed-save", Severity::blocker, vm.name,
           fmt::format("{} was saved while it ran; its next start brings that state back, without the GPU.",
                       vm.name),
           fmt::format("start it, shut it down from inside and attach then; or discard what was saved with "
                       "'sudo virsh managedsave-remove {}'",
                       shell_word(vm.name))}};
}

std::vector<std::string> files_of(const DomainFacts& facts) {
  auto files = facts.acpi_tables;
  for (const auto& [function, rom] : facts.roms) files.push_back(rom);
  if (!facts.loader.empty()) files.push_back(facts.loader);
  return files;
}

Problems vm_fitness(const Vm& vm, const VmHost& host, const Snapshot& snapshot,
                    const std::vector<Gpu>& gpus) {
  const auto facts = domain_facts(vm.inactive_xml);
  auto found = machine_problems(vm.name, facts);
  for (auto& problem : saved_state_problems(vm)) found.push_back(std::move(problem));
  const Subject subject{vm, facts, host, snapshot, all_gpus(vm, snapshot, gpus), found};
  check_firmware(subject);
  check_tpm(subject);
  check_cpu(subject);
  check_memory(subject);
  check_hostdevs(subject);
  check_files(subject);
  check_display(subject);
  check_gpus(subject);
  return found;
}

Problems vm_fitness_here(const Vm& vm, const RootDir& root, const Snapshot& snapshot,
                         const std::vector<Gpu>& gpus) {
  auto functions = claimed_functions(vm.inactive_xml);
  for (const auto& gpu : gpus) functions.push_back(gpu.address);
  return vm_fitness(vm, read_vm_host(root, files_of(domain_facts(vm.inactive_xml)), functions), snapshot,
                    gpus);
}

}  // namespace gpuctl
