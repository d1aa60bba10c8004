// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fakesys {

struct DriverSpec {
  std::string name;
  std::string module;              ///< "vfio_pci"; empty: built into the kernel
  std::vector<std::string> match;  ///< fnmatch patterns on "10de:25a0:030000"
  bool override_only{};            ///< binds by driver_override alone, as vfio-pci does
  bool vfio{};
  bool managed_dma{};   ///< driver_managed_dma: leaves its IOMMU group viable
  std::string creates;  ///< "drm" | "sound" | "": class device made by probe
};

struct ModuleSpec {
  std::string name;
  bool loaded{};
  bool builtin{};
  std::vector<std::string> depends;
  std::map<std::string, std::string> parameters;
  std::string version;
  std::string pins;     ///< driver whose remove() does not return while this module is loaded
  bool needs_device{};  ///< loading it fails where its drivers find nothing to bind (nvidia)
};

struct Connector {
  std::string name;  ///< "eDP-1"
  bool connected{}, enabled{};
};

struct FunctionSpec {
  std::string address, parent;  ///< parent: address of the bridge, or empty on a root bus
  std::uint16_t vendor{}, device{}, subsystem_vendor{}, subsystem_device{};
  std::uint32_t class_code{};
  std::uint8_t revision{};
  int group{-1};
  std::string driver;         ///< bound when the machine starts
  std::string reset_methods;  ///< empty: no reset attribute
  bool bridge{}, boot_vga{};
  std::string power_control{"on"};
  std::string rom;  ///< bytes
  std::vector<Connector> connectors;
  std::string supplier;  ///< address this function is a device-link consumer of
};

struct GroupSpec {
  std::string type{"DMA-FQ"}, name;
  std::vector<std::string> reserved;
};

/// A machine as described in machines/*.json.
struct MachineSpec {
  std::vector<FunctionSpec> functions;
  std::vector<DriverSpec> drivers;
  std::vector<ModuleSpec> modules;
  std::map<int, GroupSpec> groups;
  std::vector<std::pair<std::string, std::string>> aliases;  ///< modules.alias: alias, module
  std::map<std::string, std::string> files, links;           ///< further static files and links below /sys
};

/// Throws std::exception with the file's name on a malformed description.
MachineSpec load_machine(const std::string& path);

/// The first 256 bytes of configuration space.
std::string config_space(const FunctionSpec& function);

}  // namespace fakesys
