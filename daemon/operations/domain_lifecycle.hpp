// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "operations/vm_watch.hpp"
#include "vm/domain_demand.hpp"

namespace gpuctl {

/// What libvirt's hook asks for. Never calls libvirt, which waits meanwhile.
class DomainLifecycle {
 public:
  /// Nothing, or why not.
  using Answer = std::function<void(std::optional<Error>)>;
  DomainLifecycle(Inventory& inventory, OperationList& operations, Requests& requests,
                  Assignments& assignments, VmWatch& watch);
  /// A domain is about to start: its GPUs go to VFIO, one after the other. Answers when they are there.
  void prepare(const std::string& xml, Answer answer);
  /// It has ended: its GPUs go home.
  void release(const std::string& xml);

 private:
  void prepare_next(const DomainDemand& demand, std::size_t index, const Answer& answer);
  void attach(const Gpu& gpu, const DomainDemand& demand, std::size_t index, const Answer& answer);
  void lease(PciSlot slot, const DomainDemand& demand);

  Inventory& inventory_;
  OperationList& operations_;
  Requests& requests_;
  Assignments& assignments_;
  VmWatch& watch_;
  std::map<unsigned, std::function<void(const Operation&)>> waiting_;  ///< by operation
};

}  // namespace gpuctl
