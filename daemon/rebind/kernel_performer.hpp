// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <vector>

#include "core/devices.hpp"
#include "core/problem.hpp"
#include "os/node_control.hpp"
#include "os/pci_control.hpp"
#include "os/root_dir.hpp"
#include "os/systemd_control.hpp"
#include "rebind/performer.hpp"

namespace gpuctl {

/// Gives the device files of an open_nodes step their modes back, where nobody may open them now: one that
/// has gone with its driver, or whose mode somebody has set meanwhile, is right as it is. Throws
/// Error(kernel_refused) when all have been tried.
void open_nodes(NodeControl& nodes, const Step& step);

/// Every kind of step except those of a domain (vm_*). Success is what sysfs shows afterwards, not what a
/// write returned: an unbind is over when the driver link and DRIVER= in uevent are gone, a bind when both
/// name the driver (else not_bound). A write that failed although its effect is there counts as done.
class KernelPerformer : public StepPerformer {
 public:
  /// Who holds any of these functions now, a blocker each.
  using Users = std::function<Problems(const std::vector<PciAddress>&)>;

  /// `functions`: all of the GPU.
  KernelPerformer(PciControl& pci, SystemdControl& systemd, NodeControl& nodes, const RootDir& root,
                  std::vector<PciAddress> functions, Users users);
  static bool performs(StepKind kind);
  /// Throws Error(blocked) naming every user, device_gone, device_changed, kernel_refused, not_bound or
  /// invalid_argument.
  void perform(const Step& step) override;

 private:
  void start_unit(const Step& step);
  void load_module(const Step& step);
  void unload_module(const Step& step);
  void reset(PciAddress address);
  void remove(const Step& step, PciAddress address);
  void rescan(const Step& step, PciAddress address);
  void announce(const std::string& card, const std::string& action);
  void close_nodes(const Step& step);
  void change_function(const Step& step, PciAddress address);
  void free_from_any(const Step& step, const PciFunction& function);
  void write(const Step& step, PciAddress address);
  void check_users(const Step& step, PciAddress address) const;
  void check_present(const Step& step, PciAddress address) const;

  PciControl& pci_;
  SystemdControl& systemd_;
  NodeControl& nodes_;
  const RootDir& root_;
  std::vector<PciAddress> functions_;
  Users users_;
};

}  // namespace gpuctl
