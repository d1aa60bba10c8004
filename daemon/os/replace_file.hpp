// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <optional>
#include <string_view>

#include <sys/types.h>

namespace gpuctl {

/// Writes a file so that after a crash either the old or the new contents are there (temporary file beside
/// it, fsync, rename, fsync of the directory). Missing parent directories are made (0755). Without `mode` an
/// existing file keeps its own, its owner and its group, and a new one gets 0644. Throws
/// Error(state_unwritable) naming path and errno.
void replace_file(const std::filesystem::path& path, std::string_view contents,
                  std::optional<mode_t> mode = std::nullopt);

/// Removes a file durably; one that is not there counts as removed. Throws Error(state_unwritable).
void remove_file(const std::filesystem::path& path);

}  // namespace gpuctl
