// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "core/pci_address.hpp"
#include "core/step.hpp"
#include "vm/hypervisor.hpp"

namespace gpuctl {

struct VmPerformerOptions {
  std::filesystem::path locks{"/run/gpuctl/vm"};    ///< of DomainLock
  bool live{};                                      ///< a running domain may be changed
  std::chrono::milliseconds unplug_timeout{30000};  ///< for all functions of one vm-unplug together
};

/// Does the vm-* steps and proves each by reading the domain again. Blocking: worker processes only. A step
/// whose effect is there already is done; undoing something in a domain that is gone is done as well.
class VmPerformer {
 public:
  explicit VmPerformer(Hypervisor& hypervisor, VmPerformerOptions options = {});
  static bool performs(StepKind kind);
  /// Throws Error as Hypervisor does, and vm_running, invalid_argument (no list of addresses), not_supported
  /// (transient domain), busy (another operation changes the definition), timed_out (guest does not let go),
  /// blocked (vm-managed-save), kernel_refused (libvirt said yes, the domain says no).
  void perform(const Step& step);

 private:
  void add_devices(const Step& step);
  void remove_devices(const Step& step);
  void plug(const Step& step);
  void unplug(const Step& step);
  void start(const Step& step);
  void stop(const Step& step);
  void unplug_functions(const std::string& uuid, const std::vector<PciAddress>& functions);

  Hypervisor& hypervisor_;
  VmPerformerOptions options_;
};

/// The list of functions as vm-* steps carry it: a JSON array of PCI addresses.
std::string address_list(const std::vector<PciAddress>& functions);
/// Throws Error(invalid_argument).
std::vector<PciAddress> parse_address_list(const std::string& json);

}  // namespace gpuctl
