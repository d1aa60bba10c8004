// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "core/pci_address.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Functions that a PCI driver has now.
std::vector<PciAddress> bound_to(const RootDir& root, const std::string& driver);

}  // namespace gpuctl
