// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "core/pci_address.hpp"
#include "core/problem.hpp"
#include "vm/hypervisor.hpp"

namespace gpuctl {

/// A GPU on its way into or out of a VM.
struct VmRequest {
  std::vector<PciAddress> functions;
  bool live{};    ///< into or out of the running domain
  bool force{};   ///< overrides what can be overridden
  bool start{};   ///< the VM is to be started with it
  bool nvidia{};  ///< the GPU is NVIDIA's, whose drivers do not support being unplugged
  std::string uri{"qemu:///system"};
};

/// What stands in the way of giving the GPU to `target`, the claims of other VMs included:
/// vm-running, vm-transient, vm-session, vm-no-pci, vm-no-hotplug-port (blockers), vm-managed-save (blocker
/// with `start`, else a warning), vm-machine-i440fx, vm-partial-gpu (warnings), vm-managed-hostdev (info),
/// and those of claim_problems().
Problems vm_problems(const VmRequest& request, const Vm& target, const std::vector<Vm>& all);

/// Whether another VM has the GPU or wants it: gpu-in-running-vm (blocker), gpu-in-other-vm (warning),
/// leftover-hostdev (warning: gpuctl's own, forgotten), vm-unreadable (warning). `except` is the UUID of the
/// VM that may; empty = none.
Problems claim_problems(const std::vector<PciAddress>& functions, const std::vector<Vm>& all,
                        const std::string& except = "");

/// What stands in the way of taking the GPU from `holder`: vm-running, or with `live` vm-multifunction
/// (libvirt cannot unplug one) and vm-nvidia-unplug (overridden by force).
Problems vm_release_problems(const VmRequest& request, const Vm& holder);

}  // namespace gpuctl
