// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuctl {

/// What one step of a plan does. The text forms are part of the D-Bus contract (Plan, Operation.Steps).
enum class StepKind {
  stop_unit,          ///< subject = systemd unit that holds this GPU; from = the GPU's driver
  start_unit,         ///< subject = systemd unit; to = the GPUs' driver; from: rebind/plan.hpp
  load_module,        ///< subject = module name; no inverse, a loaded module changes no binding by itself
  unload_module,      ///< subject = module name
  set_power_control,  ///< subject = PCI address, from/to = "on" | "auto"
  set_d3cold,         ///< subject = PCI address, from/to = "0" | "1"
  set_override,       ///< subject = PCI address, from/to = driver name, "" = cleared
  drm_remove,         ///< subject = DRM card ("card1"): synthetic remove event, so that compositors let go
  drm_add,            ///< subject = DRM card
  close_nodes,        ///< subject = PCI address of the GPU, to = its device files with their modes, see
                      ///< core/node_mode.hpp: nobody but root opens them until open_nodes
  open_nodes,         ///< the same again: back to those modes
  check_users,        ///< subject = PCI address of the GPU: refuse if anybody holds it
  check_present,      ///< subject = PCI address: vendor id in config space is the recorded one, not ffff
  unbind,             ///< subject = PCI address, from = driver; "" = whatever driver but `to` has it, if
                      ///< nobody uses it
  bind,               ///< subject = PCI address, to = driver
  reset,              ///< subject = PCI address: by the kernel's own method
  remove,             ///< subject = PCI address: off the PCI bus, until a rescan
  rescan,             ///< subject = PCI address that is expected to come back
  vm_add_devices,     ///< subject = domain UUID: hostdevs into the inactive definition; to = JSON list of
                      ///< addresses
  vm_remove_devices,  ///< subject = domain UUID: gpuctl's own hostdevs out of the inactive definition
  vm_plug,            ///< subject = domain UUID: hostdevs into the running domain
  vm_unplug,          ///< subject = domain UUID: hostdevs out of the running domain
  vm_start,           ///< subject = domain UUID
  vm_stop,            ///< subject = domain UUID: inverse of vm_start only
};
inline constexpr int step_kind_count = static_cast<int>(StepKind::vm_stop) + 1;

std::string_view to_string(StepKind kind);  ///< kebab-case: "set-override"
std::optional<StepKind> step_kind(std::string_view text);

/// Plain data, so that a plan can be shown, tested, journalled and turned round.
struct Step {
  StepKind kind{};
  std::string subject;
  std::string from;
  std::string to;
  bool operator==(const Step&) const = default;
  std::string detail() const;  ///< "nvidia → vfio-pci", for people
};

using Plan = std::vector<Step>;

/// The step that takes `step` back; nothing for checks and for what changes no state.
std::optional<Step> inverse(const Step& step);

enum class StepState { pending, running, done, failed, undone };
std::string_view to_string(StepState state);

}  // namespace gpuctl
