// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <vector>

#include "core/devices.hpp"
#include "core/problem.hpp"
#include "host/host_facts.hpp"

namespace gpuctl::checks {

// Each appends its findings: subject = where it was read (absolute path) or the PCI address, message = what
// it means, remedy = the next step on this distribution. Ids are stable.

void cpu(const HostFacts&, Problems&);
void iommu(const HostFacts&, Problems&);
void iommu_arguments(const HostFacts&, Problems&);
void kvm(const HostFacts&, Problems&);
void vfio(const HostFacts&, Problems&);
void lockdown(const HostFacts&, Problems&);
void firmware(const HostFacts&, Problems&);
void libvirt(const HostFacts&, Problems&);
void vm_software(const HostFacts&, Problems&);
void vm_devices(const HostFacts&, Problems&);
void conflicts(const HostFacts&, Problems&);
void old_setups(const HostFacts&, Problems&);
void nvidia(const HostFacts&, Problems&);
void looking_glass(const HostFacts&, Problems&);

/// Everything about one GPU.
void gpu(const HostFacts&, const Gpu&, Problems&);
void gpu_group(const HostFacts&, const Gpu&, Problems&);
void gpu_display(const HostFacts&, const Gpu&, Problems&);
void gpu_hardware(const HostFacts&, const Gpu&, Problems&);

/// What every VM with a GPU needs and this host has not: libvirt, QEMU, UEFI firmware, dnsmasq.
std::vector<Software> missing_vm_software(const HostFacts&);
/// libvirt's daemon for QEMU, "usr/sbin/virtqemud"; empty if there is none, or only Fedora's libvirtd without
/// the driver for QEMU, which is in another package.
std::string libvirt_daemon(const HostFacts&);

/// Why a GPU that is built in may not be on the bus at all.
std::optional<Problem> hidden_gpu(const HostFacts&);

/// Files of envycontrol's integrated mode, below the root. A mere blacklist counts when envycontrol is
/// installed or its udev rule is there: anybody may have made a file of that name.
std::vector<std::string> left_by_envycontrol(const HostFacts&);
/// Remedies against what takes devices off the bus.
std::string without_envycontrol(const HostFacts&);
std::string without_udev_rule(const std::string& path);

/// The firmware's picture comes from it, a screen on it is lit, or it is integrated: not a candidate for VMs,
/// so what would stand in its way is no problem of this machine.
bool stays_with_host(const Gpu&, const Snapshot&);

}  // namespace gpuctl::checks
