// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>

#include "core/devices.hpp"
#include "operations/platform.hpp"
#include "operations/request.hpp"
#include "operations/survey.hpp"
#include "os/worker.hpp"

namespace gpuctl {

/// The worker's side of an operation: looks and plans, unless that was done just now (`seen`), acts, proves;
/// tells the daemon each step.
void carry_out(WorkerChannel& daemon, const Request& request, const Snapshot& snapshot,
               const Platform& platform, std::uint32_t started_by, const std::optional<Prepared>& seen);

/// The worker's side of recovery: finishes or undoes what a crash left of this slot.
void carry_out_recovery(WorkerChannel& daemon, PciSlot slot, const Snapshot& snapshot,
                        const Platform& platform);

}  // namespace gpuctl
