// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "host/device_nodes.hpp"
#include "host/device_users.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// For compositors whose own remedy would not help: one that has no other GPU to draw on, and one that holds
/// NVIDIA's nodes only, which its EGL library opens whatever the compositor draws with.
void fit_compositor_remedies(const RootDir& root, const GpuNodes& nodes, DeviceUsers& users);

}  // namespace gpuctl
