// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "host/boot_policy.hpp"
#include "host/host_facts.hpp"
#include "host/kernel_args.hpp"
#include "os/root_dir.hpp"
#include "os/systemd_control.hpp"

namespace gpuctl {

/// What org.gpuctl1.Host offers, with plain values. Every call may block (files, systemd jobs of minutes):
/// for a worker. Authorization is the caller's matter: enable, undo, set, confirm and apply change what
/// outlives a reboot.
class HostService {
 public:
  /// `systemd` needs a deadline of some minutes: building an initramfs takes that long.
  HostService(const RootDir& root, SystemdControl& systemd, HostPaths paths);

  KernelArgumentsState kernel_arguments() const { return arguments_.state(); }
  std::string plan_kernel_arguments(const KernelArgumentsWish& wish) const {
    return arguments_.plan(wish).text();
  }
  std::string enable_kernel_arguments(const KernelArgumentsWish& wish) { return arguments_.enable(wish); }
  std::string undo_kernel_arguments() { return arguments_.undo(); }

  /// What the member of the same name would answer without changing anything; "" when it would change
  /// something. Throws what that would throw before its first change. Readable for everybody, so nobody needs
  /// to be asked for a password to hear it.
  std::string enable_is_settled(const KernelArgumentsWish& wish) const {
    return arguments_.nothing_to_enable(wish);
  }
  std::string undo_is_settled() const { return arguments_.nothing_to_undo(); }
  std::string set_is_settled(const Gpu& gpu, const std::string& side, bool migrate,
                             const Snapshot& snapshot) const;
  std::string confirm_is_settled(const Gpu& gpu) const;

  BootPolicies boot_policies() const;
  /// Side "vm", "host", "last" or "clear"; a sentence on what holds now. `migrate` also puts lines of
  /// /etc/modprobe.d out of action that give this GPU to vfio-pci by id. Throws Error(invalid_argument |
  /// blocked | state_unwritable | ...).
  std::string set_boot_policy(const Gpu& gpu, const std::string& side, bool migrate,
                              const Snapshot& snapshot);
  /// The same as side "clear", for which the card need not be there any more.
  std::string clear_boot_policy(PciAddress gpu);
  /// Keeps a policy on trial for good, and puts it into the initramfs where that has the host's driver.
  std::string confirm_boot_policy(const Gpu& gpu);
  /// What early binding did not reach; notes it, so that confirming puts the rule into the initramfs. Tells
  /// what begin_boot() could not undo.
  BootActions apply_boot_policy(const Snapshot& snapshot);

  /// gpuctl is about to be removed: no policy, no rule, no kernel argument of its own stays behind. What
  /// fails keeps nothing else from going; then throws Error(state_unwritable) with all that failed, a line
  /// each.
  void forget();

  /// The doctor's findings with all that they rest on, redacted (host/report.hpp). `scan` reads a snapshot.
  std::string report(const Caller& caller, const std::function<Snapshot(const RootDir&)>& scan) const;

 private:
  std::string told(const BootPolicy& policy) const;
  ApplyRequest files_request(const BootPolicies& before, const BootPolicies& after,
                             const FileEdits& also) const;
  static BootPolicies perhaps_behind(BootPolicies policies, const ApplyRequest& request);
  void carry_out(const ApplyRequest& request);
  void commit(const BootPolicies& before, BootPolicies after, const FileEdits& also = {});
  void renew_initramfs(const std::vector<ToolRun>& tools);

  const RootDir& root_;
  SystemdControl& systemd_;
  HostPaths paths_;
  KernelArguments arguments_;
};

}  // namespace gpuctl
