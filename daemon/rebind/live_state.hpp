// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "os/root_dir.hpp"
#include "rebind/binding.hpp"

namespace gpuctl {

/// What steps change of a function, right now: driver, uevent_driver, driver_override and power settings.
/// Never wakes a device (config space is not read). `present` is false when the directory is gone.
PciFunction read_setup(const RootDir& root, PciAddress address);

/// What rebinding must know about it: its setup, identity and vfio.
PciFunction read_function(const RootDir& root, PciAddress address);

/// The functions of a binding that exist now, and nothing else of the machine.
Snapshot read_functions(const RootDir& root, const Binding& binding);

/// Vendor and device id as config space tells them now ("10de:25a0", "ffff:ffff" = gone); wakes the device.
/// Empty: no such device.
std::string ids_in_config_space(const RootDir& root, PciAddress address);

/// sys/bus/pci/drivers with their modules.
Drivers registered_drivers(const RootDir& root);

/// proc/sys/kernel/random/boot_id
std::string boot_id(const RootDir& root);

/// A process told apart from a later one with the same number. start_time is in clock ticks since boot, as
/// field 22 of /proc/PID/stat; 0 = no such process.
struct ProcessId {
  int pid{};
  unsigned long long start_time{};
  bool operator==(const ProcessId&) const = default;
};
ProcessId process_id(const RootDir& root, int pid);
bool is_alive(const RootDir& root, const ProcessId& process);

}  // namespace gpuctl
