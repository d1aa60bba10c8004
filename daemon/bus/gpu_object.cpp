// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/gpu_object.hpp"

#include "bus/farewell.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl {
namespace {

std::vector<std::string> difference(const GpuView& before, const GpuView& now) {
  std::vector<std::string> changed;
  if (before.name != now.name) changed.emplace_back("Name");
  if (before.vendor != now.vendor) changed.emplace_back("Vendor");
  if (before.state != now.state) changed.emplace_back("State");
  if (before.vm != now.vm) changed.emplace_back("Vm");
  if (before.group != now.group) changed.emplace_back("IommuGroup");
  if (before.boot_display != now.boot_display) changed.emplace_back("BootDisplay");
  if (before.functions != now.functions) changed.emplace_back("Functions");
  if (before.problems != now.problems) changed.emplace_back("Problems");
  return changed;
}

}  // namespace

GpuObject::GpuObject(sdbus::IConnection& connection, GpuCalls& calls, GpuView view)
    : AdaptorInterfaces(connection, sdbus::ObjectPath{wire::gpu_path(view.slot)}),
      calls_(calls),
      view_(std::move(view)) {
  registerAdaptor();
  getObject().emitInterfacesAddedSignal();
}

GpuObject::~GpuObject() {
  tell_removed(getObject());
  unregisterAdaptor();
}

void GpuObject::update(GpuView view) {
  const auto changed = difference(view_, view);
  view_ = std::move(view);
  if (!changed.empty()) dbus::emit_properties_changed(getObject(), names::gpu_interface, changed);
}

void GpuObject::Attach(sdbus::Result<sdbus::ObjectPath>&& result, std::string vm, wire::Dict options) {
  calls_.attach(getObject(), Reply<sdbus::ObjectPath>{std::move(result)}, view_.address.str(), std::move(vm),
                options);
}

void GpuObject::Release(sdbus::Result<sdbus::ObjectPath>&& result, wire::Dict options) {
  calls_.release(getObject(), Reply<sdbus::ObjectPath>{std::move(result)}, view_.address.str(), options);
}

sdbus::ObjectPath GpuObject::IommuGroup() {
  return sdbus::ObjectPath{view_.group ? wire::group_path(*view_.group) : "/"};
}

std::vector<wire::FunctionTuple> GpuObject::Functions() {
  std::vector<wire::FunctionTuple> result;
  for (const auto& function : view_.functions) result.push_back(wire::function(function));
  return result;
}

}  // namespace gpuctl
