// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/devices.hpp"
#include "core/problem.hpp"
#include "core/step.hpp"
#include "operations/assignments.hpp"
#include "operations/request.hpp"
#include "vm/hypervisor.hpp"

namespace gpuctl {

/// What an attach or release does to a domain.
struct VmPart {
  std::string name, uuid;
  Problems problems;
  Plan plan;
};

/// Whether the domain runs, or is paused, with all of the GPU.
bool has_gpu(const Vm& vm, const Gpu& gpu);

/// Attach: the GPU's functions into the definition, and live or started if asked for. Pure.
VmPart attach_vm_part(const Request& request, const Gpu& gpu, const Snapshot& snapshot, const Vm& target,
                      const std::vector<Vm>& all);

/// Release: gpuctl's devices out of the definition, and out of the running domain if asked for (else the
/// running domain is a blocker). Pure.
VmPart release_vm_part(const Request& request, const Gpu& gpu, const Snapshot& snapshot, const Vm& target);

}  // namespace gpuctl
