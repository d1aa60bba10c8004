// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/step.hpp"
#include "rebind/binding.hpp"

namespace gpuctl {

/// What may bring a card back that does not answer any more, each only if somebody asks for it.
enum class Revival {
  none,
  reset,   ///< the functions are reset by the kernel's own method
  rescan,  ///< they are taken off the PCI bus and found again
};

/// With the functions of `recorded` that are off the bus, as revive() would have them before a rescan.
Snapshot with_lost(Snapshot now, const Binding& recorded);

/// Frees every function of `recorded`, whatever it is bound to now, resets it or takes it off the bus and
/// finds it again, proves that it answers, and binds the recorded driver: after a rescan from whatever state
/// it is found in. Power is pinned meanwhile, as in bring_back().
Plan revive(const Snapshot& now, const Drivers& drivers, const Binding& recorded, Revival how);

}  // namespace gpuctl
