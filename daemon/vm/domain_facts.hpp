// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pugixml.hpp>

#include "core/pci_address.hpp"

namespace gpuctl {

struct SharedMemory {
  std::string name;
  std::string model;
  std::uint64_t bytes{};  ///< 0: libvirt's default of 4 MiB
  bool operator==(const SharedMemory&) const = default;
};

/// What a definition says about the things that decide whether a GPU works in it. Absent elements are empty.
struct DomainFacts {
  std::string type;  ///< kvm, qemu
  std::string arch, machine;
  bool has_pci{true}, pci_express{};

  std::string firmware;  ///< "efi" | "bios": libvirt chooses the image
  std::string loader;    ///< path of the firmware image
  bool loader_pflash{}, loader_secure{};
  std::optional<bool> secure_boot;  ///< <feature name='secure-boot'>
  std::optional<bool> enrolled_keys;
  bool smm{};

  std::string os_id;  ///< libosinfo's, as virt-manager records it
  std::string cpu_mode, tpm_backend, ioapic, balloon, hyperv_vendor_id;
  bool kvm_hidden{}, hyperv{};  ///< hyperv: at least one of its features
  std::string viommu;           ///< model of <iommu>
  bool viommu_caching{};
  std::vector<std::string> videos, graphics, inputs;  ///< video models, graphics types, "tablet/usb"
  std::vector<std::string> acpi_tables;               ///< files, by <acpi><table> or -acpitable
  std::map<PciAddress, std::string> roms;             ///< <rom file=''> by host function

  std::uint64_t memory_kib{}, hard_limit_kib{};  ///< 0 = not given
  bool hugepages{};
  std::uint64_t hugepage_kib{};  ///< 0 = the host's default size

  std::vector<SharedMemory> shared_memory;
  std::optional<std::uint64_t> kvmfr_bytes;  ///< size given to /dev/kvmfr0 on QEMU's command line
  std::string kvmfr_id;                      ///< of that memory object
  std::vector<std::string> qemu_arguments;

  bool uefi() const { return firmware == "efi" || loader_pflash; }
  bool windows() const { return os_id.find("microsoft.com/win") != std::string::npos; }
};

// These read a definition with parse_domain() and throw as it does.

DomainFacts domain_facts(const std::string& xml);
DomainFacts domain_facts(pugi::xml_node domain);
/// Root and downstream ports of a running PCI Express machine that have nothing behind them and can be
/// plugged into.
std::size_t free_hotplug_ports(const std::string& xml);
/// The function is part of a guest device of several functions.
bool shares_guest_slot(const std::string& xml, PciAddress function);

/// libvirt's units: "b", "KB" (1000), "k" and "KiB" (1024), and so on; empty = `otherwise`. In bytes, 0 if
/// unknown.
std::uint64_t scaled_size(const std::string& number, const std::string& unit, const std::string& otherwise);

}  // namespace gpuctl
