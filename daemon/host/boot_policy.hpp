// SPDX-License-Identifier: GPL-2.0-or-later
// On which side a GPU is after boot: the rules of the game, without any effect.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/devices.hpp"
#include "core/problem.hpp"
#include "host/file_edit.hpp"
#include "host/kernel_command_line.hpp"

namespace gpuctl {

enum class BootSide { host, vm, last };
std::string_view to_string(BootSide side);
std::optional<BootSide> boot_side(std::string_view text);

/// A new policy that takes a GPU from the host holds for one boot, and is kept only when somebody confirms it
/// there.
enum class PolicyState {
  pending,    ///< waits for its first boot
  trial,      ///< this is its first boot: confirm, or the next one is without it
  confirmed,  ///< holds until it is changed
  reverted,   ///< nobody confirmed it; has no effect
};
std::string_view to_string(PolicyState state);

/// A function as it was when the policy was set: another card at the same address is left alone.
struct PinnedFunction {
  PciAddress address;
  PciIdentity id;
  bool operator==(const PinnedFunction&) const = default;
};

struct BootPolicy {
  PciAddress gpu;  ///< its display function
  BootSide side{};
  PolicyState state{};
  std::vector<PinnedFunction> functions;
  std::string boot;  ///< boot id: of the setting when pending, of the trial when trial
  BootSide last{};   ///< side == last: where it was when the system went down, host or vm
  bool late{};  ///< in its trial a host driver had the GPU before our rule: the initramfs holds that driver
  FileEdits migrated;       ///< lines of older set-ups that gpuctl put out of action for it
  bool initramfs_behind{};  ///< it reverted, and the initramfs' copy of those lines has to follow yet
  bool operator==(const BootPolicy&) const = default;
};

using BootPolicies = std::vector<BootPolicy>;

std::string to_json(const BootPolicies&);
/// Throws Error(internal) for anything but what to_json writes.
BootPolicies boot_policies(std::string_view json);

BootPolicy* find(BootPolicies& policies, PciAddress gpu);

/// The GPU that a policy is for, also of a card that has been taken out: by the address of one of its
/// functions or its slot as people type them, or by nothing where there is one policy. Throws Error(not_found
/// | ambiguous_gpu).
PciAddress gpu_with_policy(const BootPolicies& policies, const std::string& argument);

/// What speaks against putting this GPU on that side at boot. The boot display never goes.
Problems boot_policy_problems(const Gpu& gpu, BootSide side, const Snapshot& snapshot);

/// `host` is confirmed at once: it takes nothing from anybody.
BootPolicy new_policy(const Gpu& gpu, BootSide side, const Snapshot& snapshot, const std::string& boot_id);

/// "gpuctl.boot=host" on the kernel command line: for this boot every GPU stays on the host.
bool kill_switch(const KernelCommandLine& command_line);

/// A boot has begun: pending becomes trial, an unconfirmed trial of an earlier boot reverts. With the kill
/// switch what is pending reverts too: somebody had to get out of it.
BootPolicies at_boot(BootPolicies policies, const KernelCommandLine& command_line,
                     const std::string& boot_id);
/// The system goes down: `last` remembers where its GPU is.
BootPolicies at_shutdown(BootPolicies policies, const Snapshot& snapshot);

/// The policy wants the GPU at VFIO in this boot (the kill switch aside).
bool wants_vm(const BootPolicy& policy, const std::string& boot_id);

struct BootAction {
  PciAddress gpu;
  BootSide to{};  ///< vm: attach to VFIO; host: release
  bool operator==(const BootAction&) const = default;
};

struct BootActions {
  std::vector<BootAction>
      actions;        ///< what early binding did not reach; to be done before the display manager starts
  Problems problems;  ///< boot-policy-card-changed, boot-policy-boot-display, boot-policy-gpu-missing
};

/// What is left to do for these policies (after at_boot) on this machine.
BootActions boot_actions(const BootPolicies& policies, const KernelCommandLine& command_line,
                         const Snapshot& snapshot, const std::string& boot_id);

}  // namespace gpuctl
