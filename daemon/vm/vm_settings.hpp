// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <string>

#include <pugixml.hpp>

#include "core/pci_address.hpp"

namespace gpuctl {

/// What gpuctl remembers about a VM in the VM's own definition, as metadata of our namespace, because the
/// hostdevs it applies to come and go: gpuctl:settings xmlns:gpuctl="https://gpuctl.org/xmlns/domain/1".
struct VmSettings {
  std::map<PciAddress, std::string> roms;  ///< option ROM file for a host function
  bool operator==(const VmSettings&) const = default;
};

VmSettings read_settings(const pugi::xml_document& document);
/// Writes, changes or (when there is nothing to remember) removes the metadata element.
void write_settings(pugi::xml_document& document, const VmSettings& settings);

/// <rom file='...'/> of a hostdev, made visible to the guest if it is not; an empty path takes the file out
/// and leaves what else the element says.
void set_rom(pugi::xml_node hostdev, const std::string& path);

}  // namespace gpuctl
