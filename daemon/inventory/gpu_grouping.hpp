// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>

#include "core/devices.hpp"

namespace gpuctl {

/// The GPUs among `functions`: each slot with a display function, its companions there and what device links
/// tie to it. SR-IOV virtual functions belong to no card: they are given away one by one.
std::map<PciSlot, Gpu> gpus_among(const std::map<PciAddress, PciFunction>& functions);

/// The functions of one slot, in order of their number.
template <class Functions>
auto functions_in(Functions& functions, PciSlot slot) {
  const auto first = functions.lower_bound({slot.domain, slot.bus, slot.device, 0});
  const auto last = functions.upper_bound({slot.domain, slot.bus, slot.device, 7});
  return std::pair{first, last};
}

}  // namespace gpuctl
