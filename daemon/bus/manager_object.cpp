// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/manager_object.hpp"

#include <fmt/format.h>

#include "gpuctl_names.hpp"
#include "os/log.hpp"

namespace gpuctl {

ManagerObject::ManagerObject(sdbus::IConnection& connection, GpuCalls& gpu_calls, HostCalls& host_calls,
                             Departures& departures, ManagerView view)
    : AdaptorInterfaces(connection, sdbus::ObjectPath{names::root_path}),
      gpu_calls_(gpu_calls),
      host_calls_(host_calls),
      departures_(departures),
      view_(std::move(view)) {
  registerAdaptor();
}

ManagerObject::~ManagerObject() { unregisterAdaptor(); }

void ManagerObject::update(ManagerView view) {
  std::vector<std::string> changed;
  if (view.iommu != view_.iommu) changed.emplace_back("Iommu");
  if (view.virtualization != view_.virtualization) changed.emplace_back("Virtualization");
  if (view.busy != view_.busy) changed.emplace_back("Busy");
  view_ = std::move(view);
  if (!changed.empty()) dbus::emit_properties_changed(getObject(), names::manager_interface, changed);
}

void ManagerObject::Attach(sdbus::Result<sdbus::ObjectPath>&& result, std::string gpu, std::string vm,
                           wire::Dict options) {
  gpu_calls_.attach(dbus::current_call(getObject()), Reply<sdbus::ObjectPath>{std::move(result)},
                    std::move(gpu), std::move(vm), options);
}

void ManagerObject::Release(sdbus::Result<sdbus::ObjectPath>&& result, std::string gpu, wire::Dict options) {
  gpu_calls_.release(dbus::current_call(getObject()), Reply<sdbus::ObjectPath>{std::move(result)},
                     std::move(gpu), options);
}

void ManagerObject::Check(sdbus::Result<Dicts>&& result, std::string gpu, std::string vm,
                          wire::Dict options) {
  gpu_calls_.check(getObject(), Reply<Dicts>{std::move(result)}, std::move(gpu), std::move(vm), options);
}

void ManagerObject::Plan(sdbus::Result<std::vector<wire::PlannedStep>>&& result, std::string verb,
                         std::string gpu, std::string vm, wire::Dict options) {
  gpu_calls_.plan(getObject(), Reply<std::vector<wire::PlannedStep>>{std::move(result)}, verb, std::move(gpu),
                  std::move(vm), options);
}

void ManagerObject::Diagnose(sdbus::Result<Dicts>&& result) {
  host_calls_.diagnose(getObject(), Reply<Dicts>{std::move(result)});
}

void ManagerObject::ListUsers(sdbus::Result<Dicts>&& result, std::string gpu) {
  host_calls_.list_users(getObject(), Reply<Dicts>{std::move(result)}, std::move(gpu));
}

void ManagerObject::ListVms(sdbus::Result<Dicts>&& result) {
  host_calls_.list_vms(getObject(), Reply<Dicts>{std::move(result)});
}

void ManagerObject::ReadRom(sdbus::Result<std::vector<std::uint8_t>>&& result, std::string gpu,
                            wire::Dict options) {
  gpu_calls_.read_rom(getObject(), Reply<std::vector<std::uint8_t>>{std::move(result)}, std::move(gpu),
                      options);
}

void ManagerObject::Inhibit(sdbus::Result<sdbus::UnixFd>&& result, std::string who, std::string why) {
  const Reply<sdbus::UnixFd> reply{std::move(result)};
  answer(reply, [&] {
    wire::require_plain("the argument who", who);
    wire::require_plain("the argument why", why);
    const auto uid = current_caller(getObject()).uid;
    reply.value(sdbus::UnixFd{departures_.lock(uid).release(), sdbus::adopt_fd});
    log(events::info, fmt::format("{} delays the departure of GPUs: {}", who, why), {.caller = uid});
  });
}

std::string ManagerObject::Version() { return GPUCTL_VERSION; }

}  // namespace gpuctl
