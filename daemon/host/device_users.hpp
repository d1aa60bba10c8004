// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/problem.hpp"
#include "host/device_nodes.hpp"
#include "host/process_owner.hpp"
#include "host/process_scan.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

enum class HolderKind {
  program,
  service,        ///< a daemon that its unit starts again
  compositor,     ///< draws somebody's session: never ended by gpuctl, whatever is forced
  login_manager,  ///< logind, PID 1's store, seatd, udev: keep a copy for others and drop it by themselves
  audio_server,   ///< closes a sound card as soon as it goes
  vm,             ///< QEMU and its like
  container,
  driver_service,  ///< works for all GPUs of a driver, or for the VMs on them: never ended either
  kernel,
};
std::string_view to_string(HolderKind kind);

/// One process (or the kernel) and one file through which it has the GPU.
struct DeviceUser {
  pid_t pid{};  ///< 0 for the kernel
  std::string comm, command;
  uid_t uid{};
  ProcessOwner owner;
  std::string what;  ///< "/dev/nvidia0", "vtcon1"
  NodeKind node{};
  PciAddress function;
  Via via{};
  HolderKind kind{};
  bool shared{};       ///< through a node of all GPUs of the driver: need not be a user of this one
  bool will_let_go{};  ///< by itself, when the driver or the session asks: does not block an unbind for long
  std::string remedy;  ///< what the person can do
  bool operator==(const DeviceUser&) const = default;

  /// The unit to show: the user's own where there is one.
  const std::string& unit() const { return owner.user_unit.empty() ? owner.unit : owner.user_unit; }
};

using DeviceUsers = std::vector<DeviceUser>;

/// It is the display that the user holds, not what computes.
bool is_card(const DeviceUser& user);

/// Everybody who has the GPU now, processes by pid, then the kernel. Processes that could not be looked into
/// are one entry of their own (via unreadable). Slow (see scan_processes): worker processes only.
DeviceUsers device_users(const RootDir& root, const GpuNodes& nodes);
inline DeviceUsers device_users(const RootDir& root, const std::vector<PciAddress>& functions) {
  return device_users(root, device_nodes(root, functions));
}

enum class Force { no, yes };

/// One problem for each process: blockers where the kernel would wait for it or its data would suffer; info
/// where it lets go by itself. Forced, programs and services are warnings, for they will be ended;
/// compositors, VMs and the kernel stay blockers. Ids: gpu-in-use, gpu-may-be-in-use, gpu-user-lets-go,
/// gpu-held-by-kernel, gpu-users-unreadable.
Problems user_problems(const DeviceUsers& users, Force force);

/// What a caller may see: others' command lines are empty, unless the caller is root.
DeviceUsers visible_to(uid_t caller, DeviceUsers users);

}  // namespace gpuctl
