// SPDX-License-Identifier: GPL-2.0-or-later
// What a survey finds that is nobody else's to find.
#pragma once
#include <filesystem>

#include "core/devices.hpp"
#include "core/problem.hpp"
#include "core/step.hpp"
#include "operations/assignments.hpp"

namespace gpuctl {

/// Another VM has the GPU by gpuctl.
Problem assigned_elsewhere(const Assignment& assignment);
/// libvirt has answered for the VM that is to get the GPU, and not for the others.
Problem vms_not_told(const Gpu& gpu);

/// A package manager that removes the old kernel's modules with the update (Arch) leaves none to load. A way
/// home is tried all the same: what does not load is told at its end.
Problems missing_modules(const Plan& plan, const std::filesystem::path& directory);

/// A release that cannot ask libvirt: the GPU comes home, and the VM's definition keeps it.
bool keeps_definition(const Problems& problems);

/// What polkit's org.gpuctl1.force may override: these blockers become warnings.
void apply_force(Problems& problems);

}  // namespace gpuctl
