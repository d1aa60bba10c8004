// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <set>
#include <string>
#include <vector>

#include "core/devices.hpp"

namespace gpuctl {

/// What a domain that is about to start, or has ended, has of this host's GPUs.
struct DomainDemand {
  std::string name;
  std::string uuid;
  std::vector<PciSlot> gpus;     ///< see claimed_gpus(), ascending
  std::set<PciAddress> along{};  ///< see going_along()
  std::set<PciSlot> managed{};  ///< those of `gpus` that libvirt would bind by itself, all that it is to have
  bool operator==(const DomainDemand&) const = default;
};

/// The GPUs whose display function is among `claimed`. A companion alone claims none: the USB controllers and
/// the sound of a processor with a GPU of its own sit in that GPU's slot, and libvirt moves them by itself.
std::set<PciSlot> claimed_gpus(const std::vector<PciAddress>& claimed, const Snapshot& snapshot);

/// Reads the definition that libvirt's hook got. Pure: asks nobody, so that it can run while libvirt waits.
/// Throws as parse_domain().
DomainDemand domain_demand(const std::string& xml, const Snapshot& snapshot);

/// What a start of the domain hands over whether or not gpuctl moves it now: functions that libvirt binds by
/// itself (managed='yes'), and all of its GPUs, which the hook fetches. Throws as parse_domain().
std::set<PciAddress> going_along(const std::string& xml, const Snapshot& snapshot);

}  // namespace gpuctl
