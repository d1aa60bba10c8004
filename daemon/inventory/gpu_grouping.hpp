// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>

#include "core/devices.hpp"

namespace gpuctl {

using PciFunctions = std::map<PciAddress, PciFunction>;

/// The GPUs among `functions`: each slot with a display function, its companions there and what device links
/// tie to it on the same card. SR-IOV virtual functions belong to no card: they are given away one by one.
std::map<PciSlot, Gpu> gpus_among(const PciFunctions& functions);

/// Whether functions of two slots that a device link ties together are one card: behind a switch of its own,
/// as an Arc's audio. The board's sound chip is tied to an integrated GPU in the same way (Linux:
/// intel_audio_component_bind), and is no part of it.
bool are_one_card(PciAddress one, PciAddress other, const PciFunctions& functions);

/// The functions of one slot, in order of their number.
template <class Functions>
auto functions_in(Functions& functions, PciSlot slot) {
  const auto first = functions.lower_bound({slot.domain, slot.bus, slot.device, 0});
  const auto last = functions.upper_bound({slot.domain, slot.bus, slot.device, 7});
  return std::pair{first, last};
}

}  // namespace gpuctl
