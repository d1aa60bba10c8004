// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "core/problem.hpp"
#include "vm/domain_facts.hpp"
#include "vm/hypervisor.hpp"
#include "vm/vm_host.hpp"

namespace gpuctl {

/// Will a GPU work in this VM? Pure. `gpus`: those it is to get, besides those that its definition has
/// already. Ids: vm-no-pci, vm-machine-i440fx; vm-firmware-bios, vm-firmware-missing, vm-secure-boot-missing,
/// vm-smm, vm-secure-boot, vm-secure-boot-off; vm-tpm-missing, vm-swtpm-missing; vm-no-kvm, vm-cpu-model,
/// vm-ioapic, vm-viommu-caching, vm-kvm-visible, vm-hyperv-visible; vm-memory-limit, vm-memory-too-large,
/// vm-memory-tight, vm-hugepages, vm-hugepages-mount; hostdev-gone, hostdev-stale, hostdev-not-gpu,
/// vm-partial-gpu; vm-video, vm-memballoon, vm-large-bar, vm-no-battery, vm-no-rom; vm-file-missing,
/// vm-file-unreadable, vm-file-apparmor; vm-managed-save.
Problems vm_fitness(const Vm& vm, const VmHost& host, const Snapshot& snapshot,
                    const std::vector<Gpu>& gpus = {});

/// The same with what it needs of the host read now.
Problems vm_fitness_here(const Vm& vm, const RootDir& root, const Snapshot& snapshot,
                         const std::vector<Gpu>& gpus = {});

/// Machine type alone: vm-no-pci, vm-machine-i440fx.
Problems machine_problems(const std::string& vm, const DomainFacts& facts);

/// vm-managed-save: its next start would bring back a state that was saved without the GPU.
Problems saved_state_problems(const Vm& vm);

/// Files that the definition makes QEMU open and read_vm_host() must look at: firmware, option ROMs, ACPI
/// tables.
std::vector<std::string> files_of(const DomainFacts& facts);

}  // namespace gpuctl
