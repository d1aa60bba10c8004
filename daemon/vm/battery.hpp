// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

namespace gpuctl {

/// An ACPI table (SSDT) with one battery, \_SB.PCI0.BAT0: 6 Ah, 14.8 V, full, neither charging nor
/// discharging. NVIDIA's drivers for laptop GPUs look for a battery and give up with Code 43 in a guest that
/// has none.
std::string battery_table();

}  // namespace gpuctl
