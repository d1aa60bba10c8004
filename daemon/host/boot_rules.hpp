// SPDX-License-Identifier: GPL-2.0-or-later
// The files that carry a boot policy out before any host driver can have the GPU.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "host/apply.hpp"
#include "host/boot_policy.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Policies that are in force differently long have a file each.
enum class RuleFile {
  boot,   ///< confirmed, side vm; may also be in the initramfs
  last,   ///< confirmed, side last; written when the system goes down; without effect in an initramfs
  trial,  ///< pending: without effect there as well, and taken away by the boot that it serves
};
inline constexpr RuleFile rule_files[] = {RuleFile::boot, RuleFile::last, RuleFile::trial};
std::string path_of(RuleFile file);

/// Path of the gpuctld that these files are for: none of them has an effect on a system, or on an initramfs
/// made there, once it is gone.
std::string_view installed_daemon();

/// udev rules for the policies of that file that want their GPU at VFIO; "" for none. They set
/// driver_override for exactly these addresses with exactly these ids, sort before 80-drivers.rules, and heed
/// the kernel argument gpuctl.boot=host.
std::string boot_rules(const BootPolicies& policies, RuleFile file);

/// The tool that makes this system's initramfs: update-initramfs, dracut, mkinitcpio, sdbootutil-mkinitrd; ""
/// for others.
std::string initramfs_tool(const RootDir& root);

/// Whether the rule of this policy is to be in the initramfs, and can be put there.
bool for_initramfs(const RootDir& root, const BootPolicy& policy);
/// Whether it has been put there: nothing has to be written, and no tool to be run for it.
bool in_initramfs(const RootDir& root, const BootPolicy& policy, const BootPolicies& all);

/// Why the initramfs cannot get the rule that this policy wants in it, with the way out; "" where nothing is
/// known.
std::string initramfs_obstacle(const RootDir& root, const BootPolicy& policy);

/// Edits and tools that make the system's files agree with `policies`. The initramfs is rebuilt only when
/// what it must hold changes.
ApplyRequest boot_files_request(const RootDir& root, const BootPolicies& policies);

}  // namespace gpuctl
