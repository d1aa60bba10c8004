// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <vector>

#include "host/device_users.hpp"

namespace gpuctl {

/// Whether gpuctl ends it when it is forced: programs, services and containers that block; never a
/// compositor, a virtual machine, logind or PID 1.
bool may_be_ended(const DeviceUser& user);

/// Ends those who may be ended: SIGTERM, and after `patience` SIGKILL; returns when they have gone, at the
/// latest after twice that. Processes are held by pidfd, and `users` is asked again before the first signal,
/// so that no signal can reach another process that got the number. Needs CAP_KILL; whom it could not end
/// just stays. Worker processes only.
void end_users(const std::function<DeviceUsers()>& users, std::chrono::milliseconds patience);

}  // namespace gpuctl
