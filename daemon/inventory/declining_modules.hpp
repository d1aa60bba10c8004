// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Those of `modules` whose driver takes the device, as far as the parameters of loaded ones tell: the probe
/// of one that declines fails (ENODEV), though its alias fits. radeon and amdgpu share the cards of two
/// generations (si_support, cik_support), i915 and xe those of one (force_probe). All, if none would be left.
std::vector<std::string> without_declining(const std::vector<std::string>& modules, const PciIdentity& id,
                                           const RootDir& root);

}  // namespace gpuctl
