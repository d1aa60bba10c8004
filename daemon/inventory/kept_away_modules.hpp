// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <set>
#include <string>

namespace gpuctl {

/// Modules that nothing loads by a device's alias, by modprobe.d(5) below `root` and the kernel command line:
/// blacklisted, with the alias "off", or with an install command that does nothing. With '_' for '-'.
std::set<std::string> kept_away_modules(const std::filesystem::path& root);

}  // namespace gpuctl
