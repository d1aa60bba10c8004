// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// What other sources than a function's own directory tell. An empty member tells nothing.
/// Tables behind them live as long as this object, so drop it after a scan.
struct Lookups {
  std::function<PciNames(const PciIdentity&)> names{};
  /// Modules that could drive the function, in modules.alias order.
  std::function<std::vector<std::string>(const PciIdentity&)> modules{};
  std::function<HostState(const RootDir&)> host{};
};

/// Reads everything. Wakes no device, writes nothing; what vanishes meanwhile is left out, garbage reads as
/// zero or empty. Details that only matter for a GPU (connectors, power, reset, ROM, device links) are read
/// for GPUs only.
Snapshot scan(const RootDir&, const Lookups&);

/// One function with all its details, nothing if it is not there. Looks nothing up when `lookups` is empty.
std::optional<PciFunction> scan_function(const RootDir&, const Lookups&, PciAddress);

/// What a partial scan reads again.
struct ScanScope {
  std::set<PciAddress> functions{};
  /// Functions being bound, unbound or reset right now: attributes whose reading waits for that
  /// (driver_override takes the device lock before Linux 6.12, config space waits for resets) keep their
  /// former values.
  std::set<PciAddress> in_transition{};
  bool host_facts{};
};

/// `before` with the functions of `scope`, and the GPUs and groups they are part of, read again.
Snapshot rescan(const RootDir&, const Lookups&, const Snapshot& before, const ScanScope& scope);
/// Everything read again except names and modules of cards that `before` knows; minds scope.in_transition.
Snapshot rescan_all(const RootDir&, const Lookups&, const Snapshot& before, const ScanScope& scope);

}  // namespace gpuctl
