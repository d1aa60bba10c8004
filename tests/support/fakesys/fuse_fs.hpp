// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "kernel.hpp"

namespace fakesys {

/// Serves the kernel's files at `mount_point` until unmounted or SIGTERM. Each request has a thread of its
/// own, so that a write that blocks stops nobody else; its writer is in an uninterruptible sleep, as in the
/// real kernel. `ready` is called when the mount can be used. Returns the exit status.
int serve(Kernel& kernel, const std::string& mount_point, const std::function<void()>& ready);

}  // namespace fakesys
