// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "host/kernel_command_line.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// How far the IOMMU got on its way from firmware to isolation. Each needs another remedy.
enum class IommuStage {
  active,           ///< units and groups are there
  not_in_firmware,  ///< no DMAR or IVRS table: off in the firmware setup, or the board has none
  off_by_argument,  ///< the command line switches it off
  off_by_default,   ///< the table is there, this kernel waits for an argument
  failed,           ///< asked for, table there, and still off: the kernel log says why
};

struct IommuSupport {
  IommuStage stage{IommuStage::not_in_firmware};
  bool intel{};          ///< VT-d rather than AMD-Vi: by table, else by CPU
  std::string table;     ///< "/sys/firmware/acpi/tables/DMAR"
  std::string off_word;  ///< off_by_argument: the argument, "amd_iommu=off"
};

IommuSupport read_iommu_support(const RootDir& root, const KernelCommandLine& command_line);

/// A change of kernel arguments.
struct ArgumentChange {
  std::vector<std::string> add, remove;
  bool empty() const { return add.empty() && remove.empty(); }
  bool operator==(const ArgumentChange&) const = default;
};

/// What this machine needs to get its IOMMU on; empty when it is on or when no argument can help.
/// AMD needs none unless one switches it off: Linux has no amd_iommu=on.
ArgumentChange needed_iommu_arguments(const IommuSupport& support);

}  // namespace gpuctl
