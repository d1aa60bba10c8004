// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "core/pci_address.hpp"

namespace gpuctl {

/// One host PCI function that a definition gives to its guest.
struct Hostdev {
  PciAddress function;
  std::string alias;  ///< of the live definition, or a user alias; may be empty
  bool managed{};     ///< libvirt rebinds it by itself
  bool own{};         ///< put there by gpuctl
  bool operator==(const Hostdev&) const = default;
};

// All of these read a domain definition with parse_domain() and throw as it does.

/// PCI hostdevs in the order of the definition, network interfaces of type hostdev included.
std::vector<Hostdev> hostdevs(const std::string& xml);
/// Addresses of hostdevs(), ascending.
std::vector<PciAddress> claimed_functions(const std::string& xml);
/// Those of them that gpuctl put there.
std::vector<PciAddress> own_functions(const std::string& xml);

/// The definition with a <hostdev managed='no'> for each function as functions 0.. of one guest device:
/// behind a root port of its own where the machine is PCI Express, else in a free slot of bus 0. Each is
/// marked as gpuctl's by its alias. What the definition claims already stays as it is; an equal text comes
/// back when there is nothing to add. Throws Error(blocked) if no guest slot is free, Error(invalid_argument)
/// for more than eight functions.
std::string add_hostdevs(const std::string& xml, std::vector<PciAddress> functions);
/// Takes out those of `functions` that gpuctl put there, and the root port it added for them once that is
/// empty.
std::string remove_hostdevs(const std::string& xml, const std::vector<PciAddress>& functions);

/// Names the function only: what libvirt needs to find it in a running domain.
std::string hostdev_xml(PciAddress function);
/// Device XML for plugging into a running domain: without a guest address, as libvirt cannot unplug a
/// multifunction device.
std::string live_hostdev_xml(PciAddress function);
/// "ua-gpuctl-0000-01-00-0": libvirt keeps aliases with this prefix in the definition.
std::string hostdev_alias(PciAddress function);

}  // namespace gpuctl
