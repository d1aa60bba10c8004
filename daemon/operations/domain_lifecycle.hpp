// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
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
  DomainLifecycle(EventLoop& loop, Inventory& inventory, OperationList& operations, Requests& requests,
                  Assignments& assignments, VmWatch& watch);
  /// A domain is about to start: its GPUs go to VFIO, one after the other. Answers when they are there. What
  /// another operation does with them is waited for, but not long: it may wait for libvirt.
  void prepare(const std::string& xml, Answer answer);
  /// It has ended: its GPUs go home.
  void release(const std::string& xml);

 private:
  /// A domain on its way to its GPUs.
  struct Start {
    DomainDemand demand;
    Answer answer;
    std::size_t next{};  ///< of demand.gpus
    std::chrono::steady_clock::time_point patience_ends;
  };
  using StartPtr = std::shared_ptr<Start>;
  struct Wait {
    StartPtr start;
    EventLoop::Source deadline;
  };

  void go_on(const StartPtr& start);
  void take(PciSlot slot, const StartPtr& start);
  const Gpu& known(PciSlot slot) const;
  const Gpu& fresh(PciSlot slot);
  bool may_go_dark(PciSlot slot, const DomainDemand& demand) const;
  void attach(const Gpu& gpu, const StartPtr& start);
  void attached(const Operation& operation, PciSlot slot, const StartPtr& start);
  enum class Taken { no, yes };
  void lease(PciSlot slot, const DomainDemand& demand, Taken taken);
  void wait_for(const Operation& operation, const StartPtr& start);
  void look_again(unsigned operation);

  EventLoop& loop_;
  Inventory& inventory_;
  OperationList& operations_;
  Requests& requests_;
  Assignments& assignments_;
  VmWatch& watch_;
  std::map<unsigned, std::function<void(const Operation&)>> own_;  ///< operations begun here
  std::multimap<unsigned, Wait> waits_;                            ///< for others' operations
};

}  // namespace gpuctl
