// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "host/host_facts.hpp"
#include "operations/platform.hpp"

namespace gpuctl {

// Bodies of queries: each blocks, so each runs in a worker, and gives a JSON array of objects whose keys are
// those of the D-Bus dictionaries.

/// Who holds any of these functions, as visible_to() uid; where that hides command lines, the array with all
/// of them is on a line of its own behind.
std::string users_of(const std::vector<PciAddress>& functions, std::uint32_t uid, const Platform& platform);
/// Findings about the host, for this caller.
std::string diagnosis(const Snapshot& snapshot, const Caller& caller, const Platform& platform);

}  // namespace gpuctl
