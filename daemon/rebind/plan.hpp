// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "core/node_mode.hpp"
#include "core/step.hpp"
#include "rebind/binding.hpp"
#include "rebind/revive.hpp"

namespace gpuctl {

/// `check_users` with this in `to` looks at the whole GPU, otherwise at its subject alone.
inline constexpr auto all_functions = "all functions";

/// `start_unit` with one of these in `from` starts a unit anew, which may run, for the GPUs that the driver
/// in `to` has. Where it has none the first does nothing, and the second starts it as without.
inline constexpr auto for_others = "others";
inline constexpr auto anew = "anew";

/// How a GPU goes to the VM side.
struct AttachTarget {
  std::map<PciAddress, std::string> vfio_drivers;  ///< by function; "vfio-pci" for one that is not in it
  std::vector<std::string> stop_units;             ///< units that hold this GPU, or would
  std::vector<std::string> start_units;            ///< those of them that other GPUs need again
  std::vector<std::string> drm_cards;              ///< cards whose clients let go on a remove event: "card1"
  std::vector<std::string> unload_modules;         ///< in this order, after the check for users
  bool let_sleep{
      true};        ///< false: keep the GPU in D0 on vfio-pci too, for cards that do not wake from D3cold
  NodeModes nodes;  ///< device files that are closed while the drivers go
  Plan first;       ///< in front of everything
  Plan last;        ///< when all functions are on vfio: domain steps
};

bool has_step(const Plan& plan, StepKind kind);

/// Load vfio, pin power, override everywhere, quiesce, close the nodes, check users, then function by
/// function with the GPU last; the nodes are opened again when the last driver has gone, and units that
/// others need are started. Functions on a VFIO driver already are left alone; nothing to move: just `first`
/// and `last`.
Plan attach_plan(const Gpu& gpu, const Snapshot& now, const Drivers& drivers, const AttachTarget& target);

struct ReleaseTarget {
  Plan first;  ///< domain steps
  Plan last;
  Revival revival{};  ///< for a card that does not answer
  NodeModes nodes{};  ///< device files that are closed while the drivers go
};

/// Back to the recorded state: GPU first, so that exactly the recorded driver binds; then the recorded
/// overrides, the modules and power settings, and the units that were stopped: anew, for
/// others may have started them meanwhile, without this GPU. Nothing to do: just `first`
/// and `last`.
Plan release_plan(const Gpu& gpu, const Snapshot& now, const Drivers& drivers, const Binding& recorded,
                  const ReleaseTarget& target = {});

/// From any state - unbound, mixed, half overridden - to the recorded one: drivers, overrides and power
/// settings of the functions that still exist. Empty when they are there already. A function of another
/// identity is not touched.
Plan restore_plan(const Snapshot& now, const Drivers& drivers, const Binding& recorded);

/// The inverse of `begun` that leads back to `before`: non-sysfs steps taken back last first, and where the
/// first binding step stood, restore_plan(). A step that was begun only is taken back too: inverses do no
/// harm twice.
Plan rollback_plan(const Plan& begun, const Snapshot& now, const Drivers& drivers, const Binding& before);

}  // namespace gpuctl
