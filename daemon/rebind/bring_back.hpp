// SPDX-License-Identifier: GPL-2.0-or-later
// The parts that plans are made of.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "core/step.hpp"
#include "rebind/binding.hpp"

namespace gpuctl {

/// What restore_plan() works out anew from sysfs: power, override, unbind, bind.
bool is_binding_step(StepKind kind);

/// A function as it is, and the driver it is to have.
struct Move {
  const PciFunction* function{};
  std::string driver;  ///< empty = none
  std::string module;
};

/// Whether config space is read before a function changes hands. Not when restoring: a card that answers no
/// more has to get its drivers back all the same.
enum class Presence { checked, assumed };

struct BringBack {
  Presence presence{Presence::assumed};
  std::optional<PciAddress> check_all;  ///< ask about users of the whole GPU first, by this address
};

/// Drivers and overrides of `recorded`, from any state. Power is pinned meanwhile; power_steps() restores it.
Plan bring_back(const Snapshot& now, const Drivers& drivers, const Binding& recorded, const BringBack& how);

/// Functions whose driver bring_back() would change, in its order.
std::vector<Move> moves_back(const Snapshot& now, const Binding& recorded);
/// All functions of `recorded` that are there, in the same order.
std::vector<Move> moves_of_all(const Snapshot& now, const Binding& recorded);

/// While a driver is wanted only that one may bind; none wanted: the recorded setting at once.
std::string override_while_binding(const FunctionBinding& recorded);
/// What an override has to be while the recorded drivers bind, and afterwards.
Plan first_overrides(const std::vector<Move>& all, const Binding& recorded);
Plan last_overrides(const Snapshot& now, const std::vector<Move>& all, const Binding& recorded);

/// Which functions get another driver, or lose theirs for a while.
enum class Moved { changed, all };

/// Power settings of `recorded`: where they differ, and wherever a driver changes, because VFIO drivers
/// change them too.
Plan power_steps(const Snapshot& now, const Binding& recorded, Moved moved = Moved::changed);

/// Awake and to stay so: a device that fell asleep in the middle may not come back.
Plan pin_power(const std::vector<Move>& moves);

/// check-users, check-present, unbind, load-module, bind, check-present: as many of them as are needed.
/// `before` are the steps in front.
Plan rebind_steps(const Move& move, const Drivers& drivers, Presence presence, const Plan& before);

/// One step, or none if there is nothing to change.
Plan override_step(const PciFunction& function, const std::string& from, const std::string& to);

}  // namespace gpuctl
