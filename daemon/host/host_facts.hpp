// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "core/devices.hpp"
#include "host/distribution.hpp"
#include "host/kernel_command_line.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// The person who asks, as the bus tells it.
struct Caller {
  uid_t uid{};
  /// Of the calling process: a membership that was added since login is not in it. Nothing if not known.
  std::optional<std::vector<gid_t>> groups;
};

enum class CpuVendor { intel, amd, other };

/// Where a kernel module is.
enum class ModuleState {
  loaded,
  built_in,
  available,  ///< on disk, not loaded
  missing,
  unknown,  ///< the modules of the running kernel cannot be read, e.g. after a kernel upgrade without reboot
};

/// What all checks rest on. Reads no more than it is asked for.
struct HostFacts {
  HostFacts(const RootDir& root, const Snapshot& snapshot, Caller caller);

  const RootDir& root;
  const Snapshot& snapshot;
  Caller caller;
  Distribution distribution;
  KernelCommandLine command_line;
  CpuVendor cpu;
  std::string kernel;  ///< release, "6.12.107-amd64"

  /// Path below root of a program in the usual directories, "" if not installed. Nothing is run.
  std::string program(std::string_view name) const;
  std::string first_program(std::initializer_list<std::string_view> names) const;
  /// `directory` below kernel/ where the module's file is, e.g. "drivers/vfio/pci".
  ModuleState module_state(std::string_view module, std::string_view directory) const;
  /// "reboot into the firmware setup", and how on this machine.
  std::string into_firmware_setup() const;
  /// The unit is wanted by some target or service, as `systemctl enable` or its package leaves it.
  bool unit_enabled(std::string_view unit) const;
};

/// A line "directory/file: text" of configuration files found by find_lines().
struct ConfigLine {
  std::string path;  ///< below the root
  std::string text;
};

/// Lines of *suffix files in these directories that contain `needle` outside of comments. A name in an
/// earlier directory masks the same name in a later one, as with modprobe.d, udev and systemd.
std::vector<ConfigLine> find_lines(const RootDir& root, std::initializer_list<std::string_view> directories,
                                   std::string_view suffix, std::string_view needle);
std::vector<ConfigLine> modprobe_lines(const RootDir& root, std::string_view needle);
/// Lines for modprobe(8) that keep the kernel and `modprobe -b` from loading a module: "blacklist NAME",
/// "install NAME /bin/false".
std::vector<ConfigLine> blocking_lines(const RootDir& root, std::string_view module);
std::vector<ConfigLine> udev_lines(const RootDir& root, std::string_view needle);

}  // namespace gpuctl
