// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <vector>

#include "core/pci_address.hpp"
#include "core/problem.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Mediated devices (vGPUs of NVIDIA's driver, GVT-g) that are made of these functions. They are no files
/// that anybody has open: a VM has one through a group of its own, and the driver waits for it in remove().
Problems mediated_device_problems(const RootDir& root, const std::vector<PciAddress>& functions);

}  // namespace gpuctl
