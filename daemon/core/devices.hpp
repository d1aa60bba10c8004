// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/pci_address.hpp"

namespace gpuctl {

/// What identifies a card beyond its address; a stored address without it may name another card after a
/// reboot.
struct PciIdentity {
  std::uint16_t vendor{}, device{}, subsystem_vendor{}, subsystem_device{};
  std::uint32_t class_code{};  ///< 24 bits: base class, subclass, programming interface (0x030000)
  bool operator==(const PciIdentity&) const = default;
  std::string ids() const;  ///< "10de:25a0"
};

/// Base class and subclass, e.g. 0x0300.
constexpr std::uint16_t pci_class(const PciIdentity& id) {
  return static_cast<std::uint16_t>(id.class_code >> 8);
}

struct Connector {
  std::string name{};  ///< "card1-eDP-1"
  bool enabled{};      ///< an encoder drives it: it shows a picture
  bool connected{};
  bool operator==(const Connector&) const = default;
};

/// Names from the PCI id database; empty where it has none.
struct PciNames {
  std::string vendor{}, device{}, subsystem_vendor{}, subsystem_device{}, class_name{};
  bool operator==(const PciNames&) const = default;
};

/// One PCI function as sysfs shows it at one moment.
struct PciFunction {
  PciAddress address{};
  PciIdentity id{};
  std::uint8_t revision{};
  PciNames names{};
  std::string driver{};                      ///< basename of the driver link; empty = none
  std::string uevent_driver{};               ///< DRIVER= of uevent; outlives the link while remove() runs
  std::string driver_override{};             ///< empty = not set
  std::vector<std::string> modules{};        ///< modules whose alias matches, in modules.alias order
  std::vector<std::string> reset_methods{};  ///< reset_method attribute: "flr", "bus", ...
  std::string power_state{};                 ///< D0, D3hot, ... ; empty = kernel does not say
  std::string runtime_status{};              ///< active, suspended, ...
  std::string power_control{};               ///< "on" | "auto"
  std::optional<bool> d3cold_allowed{};
  std::optional<unsigned> iommu_group{};
  std::vector<PciAddress> linked{};  ///< PCI consumers and suppliers by kernel device links
  std::vector<Connector> connectors{};
  std::optional<PciAddress> parent{};  ///< upstream bridge; none on a root bus
  bool bridge{};                       ///< header type 1 or class 06xx
  bool boot_vga{};
  bool firmware_framebuffer{};  ///< the picture that the firmware has set up is on this function still
  bool vfio{};                  ///< bound to a VFIO driver (it has a vfio-dev directory, or is vfio-pci)
  bool present{true};           ///< false: config space reads all ones
  bool has_rom{};
  std::optional<PciAddress> physical_function{};  ///< of an SR-IOV virtual function
  unsigned virtual_functions{};  ///< enabled now; vfio-pci refuses to bind while there are any
  bool operator==(const PciFunction&) const = default;
};

struct ReservedRegion {
  std::uint64_t start{}, end{};
  std::string type{};  ///< direct, direct-relaxable, reserved, msi
  bool operator==(const ReservedRegion&) const = default;
};

struct IommuGroup {
  unsigned number{};
  std::string type{};  ///< DMA, DMA-FQ, identity, blocked, ...
  std::string name{};  ///< "vfio-noiommu" for a group that isolates nothing
  std::vector<PciAddress> functions{};
  std::vector<ReservedRegion> reserved_regions{};
  bool operator==(const IommuGroup&) const = default;
};

/// A display function with its companions; moves as one. Named by its slot.
struct Gpu {
  PciAddress address{};                 ///< the display function
  std::vector<PciAddress> functions{};  ///< ascending, display function included
  PciSlot slot() const { return address.slot(); }
  bool operator==(const Gpu&) const = default;
};

/// Facts about the host that validation needs; read together with the devices.
struct HostState {
  std::string iommu{"none"};           ///< intel | amd | none | other (arm-smmu-v3, ...)
  std::string virtualization{"none"};  ///< vmx | svm | none
  bool iommu_in_firmware{};  ///< ACPI describes one (DMAR, IVRS, IORT table), whether the kernel uses it or
                             ///< not
  bool unsafe_noiommu{};     ///< vfio.enable_unsafe_noiommu_mode
  bool acs_override{};       ///< pcie_acs_override= on the kernel command line
  std::optional<int> gpu_mux_mode{};  ///< asus-nb-wmi: 0 = discrete, 1 = Optimus
  bool operator==(const HostState&) const = default;
};

/// What is, at one moment. A value: readers never touch sysfs.
struct Snapshot {
  std::map<PciAddress, PciFunction> functions{};
  std::map<unsigned, IommuGroup> groups{};
  std::map<PciSlot, Gpu> gpus{};
  HostState host{};

  const PciFunction* find(PciAddress address) const;
  const Gpu* gpu_of(PciAddress address) const;  ///< the GPU one of whose functions this is
  bool operator==(const Snapshot&) const = default;
};

enum class GpuState { host, vm, unbound, mixed, changing, stuck };
std::string_view to_string(GpuState state);

/// State as the drivers tell it: host, vm, unbound or mixed. A function whose remove() still runs
/// (no driver link, DRIVER= still in uevent) makes it stuck; `changing` is known to operations only.
GpuState bound_state(const Gpu& gpu, const Snapshot& snapshot);
/// No function is on a VFIO driver or about to lose its own. One that has no driver then has none for the
/// host: its module is blacklisted, or somebody took the driver away.
bool is_at_home(const Gpu& gpu, const Snapshot& snapshot);

/// As lspci names it: "NVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile]", "NVIDIA Corporation Device
/// 25a0".
std::string function_name(const PciFunction& function);
/// Of the device alone: as the PCI id database has it, else "Device 25a0".
std::string device_name(const PciFunction& function);
bool is_display(const PciIdentity& id);
/// Audio 0403, USB 0c03, UCSI 0c80: what may belong to a graphics card besides the display function.
bool is_companion(const PciIdentity& id);
/// Part of the processor: Intel's sits on the root bus, in the slot of AMD's is the processor's own security
/// processor too. The host can rarely do without that, so such a GPU is given away only if it is named.
bool is_integrated(const Gpu& gpu, const Snapshot& snapshot);
/// A server's management controller (ASPEED, Matrox), which draws its console and nothing else.
bool is_management_display(const Gpu& gpu, const Snapshot& snapshot);
/// Whether the kernel can reset it without its neighbours: method "bus" fails (ENOTTY) where the bus has
/// other functions (Linux: pci_parent_bus_reset), though it is listed for the first of them.
bool resets_alone(const PciFunction& function, bool has_neighbours);
/// Stub drivers that never do DMA for themselves and so leave a group viable (Linux drivers/iommu:
/// driver_managed_dma).
bool leaves_group_viable(const PciFunction& function);

}  // namespace gpuctl
