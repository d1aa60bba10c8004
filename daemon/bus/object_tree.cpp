// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/object_tree.hpp"

namespace gpuctl {

ObjectTree::ObjectTree(sdbus::IConnection& connection, EventLoop& loop, Inventory& inventory,
                       OperationList& operations, Requests& requests, Gate& gate, GpuCalls& gpu_calls,
                       HostCalls& host_calls, Departures& departures, std::function<VmNames()> vms)
    : connection_(connection),
      loop_(loop),
      inventory_(inventory),
      operations_(operations),
      requests_(requests),
      gate_(gate),
      vms_(std::move(vms)),
      manager_(connection, gpu_calls, host_calls, departures, manager_view()),
      gpu_kind_(
          inventory.snapshot(),
          {[this](const Gpu& gpu) { return state_of(gpu); }, [this](const Gpu& gpu) { return vm_of(gpu); },
           [&gpu_calls](const std::string& gpu, auto call) { gpu_calls.attach_one(gpu, call); },
           [&gpu_calls](const std::string& gpu, auto call) { gpu_calls.release_one(gpu, call); }}),
      group_kind_(inventory.snapshot()),
      gpus_(connection, gpu_kind_),
      groups_(connection, group_kind_) {
  show_devices(ObjectFamily::Listeners::none);  // the name is not taken yet
  inventory_.on_change([this](const Snapshot&, const Snapshot&) { update_later(); });
  operations_.observe({[this](const Operation& o) {
                         operation_objects_[o.id] =
                             std::make_unique<OperationObject>(connection_, loop_, gate_, requests_, o);
                         update_later();
                       },
                       [this](const Operation& o) {
                         // a GPU that is stuck no more shows in no device event
                         if (operation_objects_.at(o.id)->update(o)) update_later();
                       },
                       [this](const Operation& o) { tell_end(o.id); },
                       [this](unsigned id) {
                         if (!operation_objects_.at(id)->end_is_told()) tell_end(id);  // refused
                         operation_objects_.extract(id).mapped()->removed();
                         update_later();
                       }});
}

ManagerView ObjectTree::manager_view() const {
  const auto& host = inventory_.snapshot().host;
  return {host.iommu, host.virtualization, operations_.busy()};
}

GpuState ObjectTree::state_of(const Gpu& gpu) const {
  const auto* operation = operations_.running_on(gpu.slot());
  if (operation != nullptr) return operation->stuck ? GpuState::stuck : GpuState::changing;
  return bound_state(gpu, inventory_.snapshot());
}

std::string ObjectTree::vm_of(const Gpu& gpu) const {
  const auto it = vm_names_.find(gpu.slot());
  return it == vm_names_.end() ? std::string{} : it->second;
}

/// Several changes of one round become one signal for each object.
void ObjectTree::update_later() {
  if (std::exchange(update_due_, true)) return;
  loop_.defer([this] {
    if (update_due_) update();
  });
}

void ObjectTree::update() {
  update_due_ = false;
  show_devices(ObjectFamily::Listeners::some);
  manager_.update(manager_view());
}

/// The GPU's state is told before the operation's.
void ObjectTree::tell_end(unsigned operation) {
  update();
  operation_objects_.at(operation)->finished();
}

void ObjectTree::show_devices(ObjectFamily::Listeners listeners) {
  vm_names_ = vms_();
  const auto& snapshot = inventory_.snapshot();
  std::vector<ObjectKind::Id> groups;
  for (const auto& [number, group] : snapshot.groups) groups.push_back(number);
  groups_.update(groups, listeners);
  std::vector<ObjectKind::Id> gpus;
  for (const auto& [slot, gpu] : snapshot.gpus) gpus.push_back(GpuKind::id_of(slot));
  gpus_.update(gpus, listeners);
}

}  // namespace gpuctl
