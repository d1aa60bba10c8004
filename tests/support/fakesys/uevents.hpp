// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "kernel.hpp"

namespace fakesys {

/// Sends uevents of the fake devices through the real kernel (uevent_net_rcv_skb: a privileged sender's
/// message is broadcast in its network namespace as the kernel's own). Throws in the machine's own network
/// namespace, where its udevd would act on devices that do not exist: it takes the inode of the one it must
/// not be in.
Kernel::UeventSink kernel_uevents(unsigned long forbidden_network_namespace);

}  // namespace fakesys
