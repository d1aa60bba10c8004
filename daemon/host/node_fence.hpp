// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/node_mode.hpp"
#include "host/device_nodes.hpp"
#include "os/node_control.hpp"

namespace gpuctl {

/// The device files through which alone this GPU can be kept from losing its driver, with their modes: those
/// that may be closed to newcomers while it does. Not those that lead to other GPUs too (/dev/nvidiactl), nor
/// disks and keyboards behind the card, which do not hold it; nor any that nobody may open now, nor one of
/// several NVIDIA GPUs' while the driver does not tell whose it is.
///
/// Modes keep out everybody but root: logind and a setuid X server still get in; the setuid nvidia-modprobe,
/// which NVIDIA's libraries call, may set them again, and a node that a container has made itself has its
/// own. Those are seen by the look at the users before each write that may block.
NodeModes closable_nodes(const RootDir& root, const NodeControl& control, const GpuNodes& nodes);

}  // namespace gpuctl
