// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>

#include "core/devices.hpp"

namespace gpuctl {

/// What an empty argument stands for.
enum class GpuChoice {
  attachable,  ///< the only GPU that may be given away: not the boot display, in an IOMMU group (if there is
               ///< an IOMMU), integrated only where all are
  away,        ///< the only GPU that is not wholly on host drivers
};

/// The GPU that a person means by: a PCI address of one of its functions ("0000:01:00.0", "01:00.0"), a slot
/// ("0000:01:00", "01:00"), "10de:25a0", a part of its name (any case), or nothing. Throws Error:
/// invalid_argument for a malformed address, control characters and more than 256 bytes; not_found;
/// ambiguous_gpu, listing those that fit.
const Gpu& find_gpu(const Snapshot& snapshot, std::string_view argument,
                    GpuChoice when_empty = GpuChoice::attachable);

/// "0000:01:00.0 NVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile]", with ids where there is no name.
std::string gpu_title(const Gpu& gpu, const Snapshot& snapshot);

}  // namespace gpuctl
