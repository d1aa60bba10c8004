// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/bound_functions.hpp"

namespace gpuctl {

std::vector<PciAddress> bound_to(const RootDir& root, const std::string& driver) {
  std::vector<PciAddress> functions;
  for (const auto& name : root.list("sys/bus/pci/drivers/" + driver))
    if (const auto address = PciAddress::parse(name)) functions.push_back(*address);
  return functions;
}

}  // namespace gpuctl
