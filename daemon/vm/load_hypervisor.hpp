// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <memory>
#include <string>

#include "vm/hypervisor.hpp"

namespace gpuctl {

struct HypervisorOptions {
  std::string uri{"qemu:///system"};
  std::string module;  ///< path of gpuctl-libvirt.so; empty = where this build installs it
};

/// Loads the module that links libvirt and connects. For a worker process: both may block, and neither is
/// undone before the process ends. Throws Error(libvirt_unavailable) with what to install or start.
std::unique_ptr<Hypervisor> load_hypervisor(const HypervisorOptions& options = {});

}  // namespace gpuctl
