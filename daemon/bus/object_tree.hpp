// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <memory>

#include "bus/gpu_object.hpp"
#include "bus/group_object.hpp"
#include "bus/manager_object.hpp"
#include "bus/operation_object.hpp"
#include "inventory/inventory.hpp"
#include "operations/operation_list.hpp"

namespace gpuctl {

/// Exports, updates and withdraws the objects on the bus as devices and operations change.
class ObjectTree {
 public:
  /// `vm_of`: name of the domain that has a GPU by gpuctl, "" for none.
  ObjectTree(sdbus::IConnection& connection, EventLoop& loop, Inventory& inventory, OperationList& operations,
             Requests& requests, Gate& gate, GpuCalls& gpu_calls, HostCalls& host_calls,
             Departures& departures, std::function<std::string(PciSlot)> vm_of);
  /// Soon; for what no other observer tells, such as the domain that has a GPU.
  void update_later();
  /// Tells everybody that a GPU leaves the host, or is back.
  void tell_departure(PciSlot gpu, bool leaving) {
    manager_.emitPrepareForRelease(sdbus::ObjectPath{wire::gpu_path(gpu)}, leaving);
  }

 private:
  ManagerView manager_view() const;
  GpuView gpu_view(const Gpu& gpu) const;
  GpuState state_of(const Gpu& gpu) const;
  void update();
  void update_gpus();
  void update_groups();

  sdbus::IConnection& connection_;
  EventLoop& loop_;
  Inventory& inventory_;
  OperationList& operations_;
  Requests& requests_;
  Gate& gate_;
  GpuCalls& gpu_calls_;
  std::function<std::string(PciSlot)> vm_of_;
  ManagerObject manager_;
  std::map<PciSlot, std::unique_ptr<GpuObject>> gpus_;
  std::map<unsigned, std::unique_ptr<GroupObject>> groups_;
  std::map<unsigned, std::unique_ptr<OperationObject>> operation_objects_;
  bool update_due_{};
};

}  // namespace gpuctl
