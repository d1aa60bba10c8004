// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>

#include "core/devices.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Whether attributes may be read that wait for the device lock or for a reset to end.
enum class Reading { all, without_waiting };

/// Identity, drivers, group and place of one function: what is cheap (14 system calls). Nothing if it is not
/// there. `known`: as it was read before, for what is not worth waiting for.
std::optional<PciFunction> read_function(const RootDir&, PciAddress, Reading,
                                         const PciFunction* known = nullptr);

/// Adds what matters for a GPU: power, reset, ROM, connectors, device links, SR-IOV, presence. Fields it does
/// not read keep their values. Never wakes the device.
void read_gpu_details(const RootDir&, PciFunction&, Reading);

}  // namespace gpuctl
