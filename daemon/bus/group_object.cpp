// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/group_object.hpp"

#include "bus/farewell.hpp"
#include "gpuctl_names.hpp"
#include "inventory/isolation.hpp"

namespace gpuctl {

GroupView group_view(const IommuGroup& group, const Snapshot& snapshot) {
  GroupView view{group.number, group.type, {}, is_isolated(group, snapshot), group_problems(group, snapshot)};
  for (const auto address : group.functions)
    if (const auto* function = snapshot.find(address)) view.functions.push_back(*function);
  return view;
}

GroupObject::GroupObject(sdbus::IConnection& connection, GroupView view)
    : AdaptorInterfaces(connection, sdbus::ObjectPath{wire::group_path(view.number)}),
      view_(std::move(view)) {
  registerAdaptor();
  getObject().emitInterfacesAddedSignal();
}

GroupObject::~GroupObject() {
  tell_removed(getObject());
  unregisterAdaptor();
}

void GroupObject::update(GroupView view) {
  std::vector<std::string> changed;
  if (view.type != view_.type) changed.emplace_back("Type");
  if (view.functions != view_.functions) changed.emplace_back("Devices");
  if (view.isolated != view_.isolated) changed.emplace_back("Isolated");
  if (view.problems != view_.problems) changed.emplace_back("Problems");
  view_ = std::move(view);
  if (!changed.empty()) dbus::emit_properties_changed(getObject(), names::group_interface, changed);
}

std::vector<wire::FunctionTuple> GroupObject::Devices() {
  std::vector<wire::FunctionTuple> result;
  for (const auto& function : view_.functions) result.push_back(wire::function(function));
  return result;
}

}  // namespace gpuctl
