// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>

#include "os/unique_fd.hpp"

namespace gpuctl {

/// flock(2) with a deadline: LOCK_SH or LOCK_EX, for as long as the open file lives. False when another has
/// it all that time, or it cannot be had at all (errno tells; EWOULDBLOCK = another).
bool lock_within(const UniqueFd& file, int how, std::chrono::milliseconds longest);

}  // namespace gpuctl
