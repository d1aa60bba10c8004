// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/devices.hpp"
#include "core/problem.hpp"

namespace gpuctl {

/// PCI drivers registered now, with the module each lives in (empty: built in). See registered_drivers().
using Drivers = std::map<std::string, std::string>;

/// What one function was bound to, and how it was set up, when it was recorded.
struct FunctionBinding {
  PciAddress address;
  PciIdentity id;
  std::string driver;           ///< empty = it had none, and gets none back
  std::string module;           ///< of that driver; empty = built in or unknown
  std::string driver_override;  ///< empty = not set
  std::string power_control;    ///< "on" | "auto"; empty = kernel did not say
  std::optional<bool> d3cold_allowed;
  bool operator==(const FunctionBinding&) const = default;
};

/// A GPU as it was at one moment: what release and rollback restore. Survives the daemon as JSON.
struct Binding {
  PciAddress gpu;  ///< the display function
  std::string boot_id;
  std::vector<FunctionBinding> functions;     ///< ascending
  std::vector<std::string> stopped_units;     ///< stopped to free the GPU; started again on release
  std::vector<std::string> unloaded_modules;  ///< in the order they were unloaded; loaded again backwards
  std::string vm;                             ///< UUID of the domain it went to; empty = none
  PciSlot slot() const { return gpu.slot(); }
  const FunctionBinding* find(PciAddress address) const;
  bool operator==(const Binding&) const = default;
};

/// The function as it is now; nullptr if it left or another card sits there.
const PciFunction* same_function(const Snapshot& now, const FunctionBinding& recorded);

/// The GPU as it is now. boot_id, vm, units and modules are left empty for the caller.
Binding record_binding(const Gpu& gpu, const Snapshot& snapshot, const Drivers& drivers);

/// Where a GPU belongs that nobody recorded (bound to vfio at boot): on a VFIO driver, the native driver that
/// its modules alias table names, a registered one preferred, and no override; otherwise as it is, with or
/// without a driver. If no function has a driver, each gets its native one.
Binding native_binding(const Gpu& gpu, const Snapshot& snapshot, const Drivers& drivers,
                       const std::set<std::string>& kept_away = {});

/// What forbids restoring `binding`: device-changed (another card sits there), device-moved (the card is at
/// another address now), device-gone. Blockers, each of which names both cards; a companion that is not there
/// is a warning.
Problems identity_problems(const Binding& binding, const Snapshot& snapshot);

/// Whether `binding` is what is now: drivers and overrides of the functions that still exist. A sentence for
/// each that is not.
std::vector<std::string> differences(const Binding& binding, const Snapshot& now);
/// The same of their power settings.
std::vector<std::string> power_differences(const Binding& binding, const Snapshot& now);

nlohmann::json binding_to_json(const Binding& binding);
/// Throws Error(internal) for anything that binding_to_json did not make.
Binding binding_from_json(const nlohmann::json& json);

}  // namespace gpuctl
