// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/devices.hpp"
#include "host/kernel_command_line.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// A set-up of before gpuctl that gives devices to vfio-pci at boot by vendor:device id.
struct OldSetup {
  enum class Kind { modprobe_options, softdep, kernel_argument, driverctl, initramfs_script };
  Kind kind{};
  std::string path;              ///< below the root; "proc/cmdline" for a kernel argument
  std::string line;              ///< the line, or the argument
  std::vector<std::string> ids;  ///< "10de:25a0", as far as given
  bool operator==(const OldSetup&) const = default;
};

std::vector<OldSetup> find_old_setups(const RootDir& root, const KernelCommandLine& command_line);

/// "10de:25a0" of "10DE:25A0:1043:1ccc": vendor:device is what counts here.
std::string short_id(std::string_view id);

/// Nothing but this GPU is meant by it: another card of the same model may be hit, another model is not.
bool names_only(const OldSetup& old, const Gpu& gpu, const Snapshot& snapshot);

/// Functions of `snapshot` with one of these ids: all of them go to vfio-pci, also the one nobody meant.
std::vector<PciAddress> functions_with(const std::vector<std::string>& ids, const Snapshot& snapshot);

}  // namespace gpuctl
