// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <memory>

#include "bus/gpu_calls.hpp"
#include "bus/gpu_kind.hpp"
#include "bus/group_kind.hpp"
#include "bus/manager_object.hpp"
#include "bus/object_family.hpp"
#include "bus/operation_object.hpp"
#include "inventory/inventory.hpp"
#include "operations/operation_list.hpp"

namespace gpuctl {

using VmNames = std::map<PciSlot, std::string>;

/// Exports, updates and withdraws the objects on the bus as devices and operations change.
class ObjectTree {
 public:
  /// `vms`: the domains that have GPUs by gpuctl. Asked when something has changed, not when somebody reads.
  ObjectTree(sdbus::IConnection& connection, EventLoop& loop, Inventory& inventory, OperationList& operations,
             Requests& requests, Gate& gate, GpuCalls& gpu_calls, HostCalls& host_calls,
             Departures& departures, std::function<VmNames()> vms);
  /// Soon; for what no other observer tells, such as the domain that has a GPU.
  void update_later();
  /// Tells everybody that a GPU leaves the host, or is back.
  void tell_departure(PciSlot gpu, bool leaving) {
    manager_.emitPrepareForRelease(sdbus::ObjectPath{wire::gpu_path(gpu)}, leaving);
  }

 private:
  ManagerView manager_view() const;
  GpuState state_of(const Gpu& gpu) const;
  std::string vm_of(const Gpu& gpu) const;
  void update();
  void tell_end(unsigned operation);
  void show_devices(ObjectFamily::Listeners listeners);

  sdbus::IConnection& connection_;
  EventLoop& loop_;
  Inventory& inventory_;
  OperationList& operations_;
  Requests& requests_;
  Gate& gate_;
  std::function<VmNames()> vms_;
  VmNames vm_names_;
  ManagerObject manager_;
  GpuKind gpu_kind_;
  GroupKind group_kind_;
  ObjectFamily gpus_, groups_;
  std::map<unsigned, std::unique_ptr<OperationObject>> operation_objects_;
  bool update_due_{};
};

}  // namespace gpuctl
