// SPDX-License-Identifier: GPL-2.0-or-later
// Lines of /etc/modprobe.d that give a GPU to vfio-pci by id: out of action for a boot policy, and back.
#pragma once
#include "core/devices.hpp"
#include "host/file_edit.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Such a line becomes a comment. What else it says - other options, other devices' ids - stays in force, on
/// a line of its own.
FileEdits migration(const RootDir& root, const Gpu& gpu, const Snapshot& snapshot);

/// The way back, byte for byte; a file that somebody has changed since is left out.
FileEdits give_back(const RootDir& root, const FileEdits& migrated);

/// Those of `migrated` whose files are not as they were.
FileEdits still_migrated(const RootDir& root, const FileEdits& migrated);

}  // namespace gpuctl
