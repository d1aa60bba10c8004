// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "host/file_edit.hpp"
#include "host/iommu_support.hpp"

namespace gpuctl {

/// One change of the kernel arguments, with all that its undo needs.
struct KernelArgumentsRecord {
  std::string mechanism;
  ArgumentChange change;
  FileEdits edits;    ///< gpuctl's own
  FileEdits watched;  ///< the tool's; `after` is known once it has run
};

std::filesystem::path record_file(const std::filesystem::path& state);
/// Oldest first; none without the file. Throws Error(internal) naming a file that holds something else.
std::vector<KernelArgumentsRecord> read_records(const std::filesystem::path& file);
/// Durably; without any the file goes. Throws Error(state_unwritable).
void keep_records(const std::filesystem::path& file, const std::vector<KernelArgumentsRecord>& all);

}  // namespace gpuctl
