// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/object_tree.hpp"

#include "inventory/isolation.hpp"

namespace gpuctl {
namespace {

/// Makes `objects` stand for exactly the keys of `wanted`: `make` for new ones, `update` for the others.
template <class Objects, class Wanted, class Make, class Update>
void reconcile(Objects& objects, const Wanted& wanted, Make make, Update update) {
  std::erase_if(objects, [&](const auto& entry) { return !wanted.contains(entry.first); });
  for (const auto& [key, value] : wanted) {
    const auto it = objects.find(key);
    if (it == objects.end())
      objects.emplace(key, make(value));
    else
      update(*it->second, value);
  }
}

}  // namespace

ObjectTree::ObjectTree(sdbus::IConnection& connection, EventLoop& loop, Inventory& inventory,
                       OperationList& operations, Requests& requests, Gate& gate, GpuCalls& gpu_calls,
                       HostCalls& host_calls, Departures& departures,
                       std::function<std::string(PciSlot)> vm_of)
    : connection_(connection),
      loop_(loop),
      inventory_(inventory),
      operations_(operations),
      requests_(requests),
      gate_(gate),
      gpu_calls_(gpu_calls),
      vm_of_(std::move(vm_of)),
      manager_(connection, gpu_calls, host_calls, departures, manager_view()) {
  update();
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
                       [this](const Operation& o) {
                         update();  // the GPU's state is told before the operation's end
                         operation_objects_.at(o.id)->finished();
                       },
                       [this](unsigned id) {
                         operation_objects_.erase(id);
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

GpuView ObjectTree::gpu_view(const Gpu& gpu) const {
  const auto& snapshot = inventory_.snapshot();
  const auto& display = *snapshot.find(gpu.address);
  GpuView view{gpu.slot(),
               gpu.address,
               {},
               display.names.vendor,
               state_of(gpu),
               vm_of_(gpu.slot()),
               display.iommu_group,
               display.boot_vga,
               {},
               attach_problems(gpu, snapshot)};
  view.name = display.names.device.empty() ? function_name(display) : display.names.device;
  if (view.state == GpuState::changing) leave_out_passing(view.problems);
  for (const auto address : gpu.functions)
    if (const auto* function = snapshot.find(address)) view.functions.push_back(*function);
  return view;
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
  update_groups();
  update_gpus();
  manager_.update(manager_view());
}

void ObjectTree::update_gpus() {
  reconcile(
      gpus_, inventory_.snapshot().gpus,
      [this](const Gpu& gpu) { return std::make_unique<GpuObject>(connection_, gpu_calls_, gpu_view(gpu)); },
      [this](GpuObject& object, const Gpu& gpu) { object.update(gpu_view(gpu)); });
}

void ObjectTree::update_groups() {
  const auto& snapshot = inventory_.snapshot();
  reconcile(
      groups_, snapshot.groups,
      [&](const IommuGroup& g) {
        return std::make_unique<GroupObject>(connection_, group_view(g, snapshot));
      },
      [&](GroupObject& object, const IommuGroup& g) { object.update(group_view(g, snapshot)); });
}

}  // namespace gpuctl
