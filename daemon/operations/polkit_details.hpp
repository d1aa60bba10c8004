// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <string>

#include "core/devices.hpp"

namespace gpuctl {

/// What polkit's rules and prompts are told: gpu, name, vm, driver. The gate passes those that are missing as
/// "".
using PolkitDetails = std::map<std::string, std::string>;

/// Of this GPU, for a VM or "".
PolkitDetails polkit_details(const Gpu& gpu, const Snapshot& snapshot, const std::string& vm);

}  // namespace gpuctl
