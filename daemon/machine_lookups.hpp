// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>

#include "inventory/scan.hpp"

namespace gpuctl {

/// Names, modules and host facts of this machine. The tables live for one read: an idle daemon keeps none of
/// them.
Lookups machine_lookups(const std::filesystem::path& modules_dir);

}  // namespace gpuctl
