// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>

#include "core/devices.hpp"
#include "operations/platform.hpp"

namespace gpuctl {

enum class DryRun { no, yes };

/// A file with the option ROM of this display function, for a VM: read from the card, else from the
/// firmware's tables, stripped of what is not part of it, written where QEMU may read it. A dry run touches
/// neither card nor file. Blocks: worker processes only. Throws Error(not_supported) where no ROM can be had,
/// Error(invalid_argument) when what there is, is none, and as read_rom().
std::filesystem::path auto_rom(PciAddress function, DryRun dry_run, const Snapshot& snapshot,
                               const Platform& platform);

}  // namespace gpuctl
