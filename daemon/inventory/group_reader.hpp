// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/devices.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Type, and for a group with a GPU name and reserved regions; its functions are not read.
IommuGroup read_group(const RootDir&, unsigned number, bool has_gpu);

}  // namespace gpuctl
