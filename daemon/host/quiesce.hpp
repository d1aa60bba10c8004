// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "host/device_users.hpp"
#include "host/kernel_users.hpp"

namespace gpuctl {

/// What an admin lets gpuctl do to free a GPU.
struct QuiescePolicy {
  /// System units that may be stopped when they hold the GPU; they are started again when it comes back.
  std::vector<std::string> stop_units{"nvidia-persistenced.service", "nvidia-powerd.service",
                                      "nvidia-dcgm.service"};
  bool drm_remove{true};      ///< ask compositors by a synthetic remove event
  bool unload_modules{true};  ///< nvidia_drm and nvidia_modeset, where unbind cannot work otherwise
};

/// What the decision needs to know besides the users.
struct QuiesceFacts {
  std::vector<std::string> drm_cards;  ///< of this GPU: "card1"
  bool boot_vga{};                  ///< the firmware's console is on it: compositors take it as their first
  std::set<pid_t> on_other_card;    ///< processes that have the DRM card of another GPU open too
  std::set<pid_t> started_on_this;  ///< compositors told by their environment to take this card first
  NvidiaDrm nvidia_drm;
  bool bound_to_nvidia{};
  bool other_nvidia_gpu{};  ///< bound to the driver, so that it needs the modules too
};

/// Who is asked to let go, how. Everything is taken back when the attach fails, and on release.
struct QuiescePlan {
  std::vector<std::string> units;      ///< to stop
  std::vector<std::string> drm_cards;  ///< to send a remove event: "card1"
  std::vector<std::string> modules;    ///< to unload, in this order
  std::set<pid_t> leaving;             ///< processes that are expected to let go then
  bool operator==(const QuiescePlan&) const = default;
};

QuiesceFacts quiesce_facts(const RootDir& root, const GpuNodes& nodes, const DeviceUsers& users);

/// By the names of [quiesce] stop-units, as fnmatch(3) has them.
bool may_stop(const QuiescePolicy& policy, const std::string& unit);

/// Pure. Nothing is planned that nobody needs: units only if they hold this GPU, the remove event only if
/// somebody lets go on it and everybody survives it (never a compositor's primary GPU), modules only where
/// nvidia-drm would keep the GPU for ever and no other GPU needs it.
QuiescePlan quiesce_plan(const DeviceUsers& users, const QuiesceFacts& facts, const QuiescePolicy& policy);

/// The users as they will be when `plan` has been carried out: those who leave are marked as letting go.
DeviceUsers after(const QuiescePlan& plan, DeviceUsers users);

/// Reads the users until none is left of those that leave or let go, udev's workers among them, or until
/// `patience` ends: nothing tells when a foreign process closes a file. Others are not waited for. Worker
/// processes only.
DeviceUsers users_once_settled(const RootDir& root, const std::vector<PciAddress>& functions,
                               const std::set<pid_t>& leaving, std::chrono::milliseconds patience);

}  // namespace gpuctl
