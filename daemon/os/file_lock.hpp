// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <filesystem>
#include <string>

#include "os/unique_fd.hpp"

namespace gpuctl {

/// DIR/NAME.lock, made if need be, and its directory with it: both this user's alone, for whoever can open a
/// lock's file can hold it. `name` is a plain file name. Throws Error(state_unwritable).
UniqueFd open_lock(const std::filesystem::path& dir, const std::string& name);

/// flock(2) with a deadline: LOCK_SH or LOCK_EX, for as long as the open file lives. False when another has
/// it all that time, or it cannot be had at all (errno tells; EWOULDBLOCK = another).
bool lock_within(const UniqueFd& file, int how, std::chrono::milliseconds longest);

}  // namespace gpuctl
