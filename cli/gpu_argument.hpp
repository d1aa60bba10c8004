// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "cli/values.hpp"

namespace gpuctl::cli {

/// The GPU that `argument` means: address of one of its functions, slot, vendor:device id or a fragment of
/// its name, by the daemon's rules; "" is the only one that can be given to a VM. Throws Failure NotFound,
/// AmbiguousGpu or InvalidArgument as the daemon would.
const Gpu& find_gpu(const Objects& objects, const std::string& argument);

/// "0000:01:00" of "/org/gpuctl1/gpus/0000_01_00".
std::string slot_of_path(const std::string& path);

}  // namespace gpuctl::cli
