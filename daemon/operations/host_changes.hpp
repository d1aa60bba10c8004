// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "core/devices.hpp"
#include "host/boot_policy.hpp"
#include "host/host_facts.hpp"
#include "host/kernel_args.hpp"
#include "operations/platform.hpp"

namespace gpuctl {

// Bodies of what org.gpuctl1.Host offers: each blocks, so each runs in a worker. States and lists come as
// JSON with the keys of the D-Bus dictionaries, diffs and outcomes as text.

std::string kernel_arguments(const Platform& platform);
std::string plan_kernel_arguments(const KernelArgumentsWish& wish, const Platform& platform);
std::string boot_policies(const Platform& platform);
std::string report(const Caller& caller, const Platform& platform);

// What the calls below would answer without changing anything, "" when they would; Error as theirs.
std::string enable_is_settled(const KernelArgumentsWish& wish, const Platform& platform);
std::string undo_is_settled(const Platform& platform);
std::string set_is_settled(const Gpu& gpu, const std::string& side, bool migrate, const Snapshot& snapshot,
                           const Platform& platform);
std::string confirm_is_settled(const Gpu& gpu, const Platform& platform);

/// The address of the GPU whose policy is meant, where no GPU that is there fits the argument.
std::string gpu_with_policy(const std::string& argument, const Platform& platform);

// These change what outlives a reboot: for Configuring.
std::string enable_kernel_arguments(const KernelArgumentsWish& wish, const Platform& platform);
std::string undo_kernel_arguments(const Platform& platform);
std::string set_boot_policy(const Gpu& gpu, const std::string& side, bool migrate, const Snapshot& snapshot,
                            const Platform& platform);
std::string clear_boot_policy(PciAddress gpu, const Platform& platform);
std::string confirm_boot_policy(const Gpu& gpu, const Platform& platform);
/// What is left to be moved, read by boot_actions_from().
std::string apply_boot_policy(const Snapshot& snapshot, const Platform& platform);
BootActions boot_actions_from(const std::string& answer);

}  // namespace gpuctl
