// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/libvirt_events.hpp"

#include <array>
#include <utility>

namespace gpuctl::libvirt {
namespace {

void on_timer(int, void*) {}  // ends one turn of the loop; there is nothing else to do
void keep(void*) {}           // the watches own themselves

const char* event_name(int event) {
  switch (event) {
    case VIR_DOMAIN_EVENT_STARTED:
      return "started";
    // SHUTDOWN only says that the guest has finished; QEMU still has the devices.
    case VIR_DOMAIN_EVENT_STOPPED:
      return "stopped";
    case VIR_DOMAIN_EVENT_UNDEFINED:
      return "undefined";
    case VIR_DOMAIN_EVENT_DEFINED:
      return "defined";
    default:
      return nullptr;
  }
}

}  // namespace

void prepare_event_loop() {
  static const bool registered = virEventRegisterDefaultImpl() == 0;
  if (!registered) throw last_error("setting up libvirt's event loop", "");
}

EventTurns::EventTurns(std::chrono::milliseconds tick)
    : timer_(virEventAddTimeout(static_cast<int>(tick.count()), on_timer, nullptr, nullptr)) {
  if (timer_ < 0) throw last_error("adding a timer", "");
}

EventTurns::~EventTurns() { virEventRemoveTimeout(timer_); }

bool EventTurns::run_until(const std::function<bool()>& done,
                           std::chrono::steady_clock::time_point deadline) {
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    if (virEventRunDefaultImpl() < 0) throw last_error("waiting for libvirt's events", "");
  }
  return true;
}

LifecycleWatch::LifecycleWatch(virConnectPtr connection, Handler handler)
    : connection_(connection), handler_(std::move(handler)) {
  callback_ = virConnectDomainEventRegisterAny(connection_, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                               VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), this, keep);
  if (callback_ < 0) throw last_error("watching the VMs", "");
  // Not every driver can lose its connection (test:///); those that cannot refuse both.
  virConnectRegisterCloseCallback(connection_, on_close, this, keep);
  virConnectSetKeepAlive(connection_, 5, 3);
}

LifecycleWatch::~LifecycleWatch() {
  virConnectUnregisterCloseCallback(connection_, on_close);
  virConnectDomainEventDeregisterAny(connection_, callback_);
}

int LifecycleWatch::on_lifecycle(virConnectPtr, virDomainPtr domain, int event, int, void* self) {
  static_cast<LifecycleWatch*>(self)->report(domain, event);
  return 0;
}

void LifecycleWatch::on_close(virConnectPtr, int, void* self) {
  static_cast<LifecycleWatch*>(self)->lost_ = true;
}

void LifecycleWatch::report(virDomainPtr domain, int event) {
  const auto* name = event_name(event);
  std::array<char, VIR_UUID_STRING_BUFLEN> uuid{};
  if (!name || virDomainGetUUIDString(domain, uuid.data()) < 0) return;
  guard_([&] { handler_(name, uuid.data()); });
}

RemovalWatch::RemovalWatch(virConnectPtr connection, virDomainPtr domain, std::string alias)
    : connection_(connection), alias_(std::move(alias)) {
  removed_ = virConnectDomainEventRegisterAny(connection_, domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                                              VIR_DOMAIN_EVENT_CALLBACK(on_removed), this, keep);
  refused_ = virConnectDomainEventRegisterAny(connection_, domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
                                              VIR_DOMAIN_EVENT_CALLBACK(on_refused), this, keep);
  if (removed_ < 0 || refused_ < 0) throw last_error("waiting for the removal of a device", "");
}

RemovalWatch::~RemovalWatch() {
  for (const int callback : {removed_, refused_})
    if (callback >= 0) virConnectDomainEventDeregisterAny(connection_, callback);
}

void RemovalWatch::on_removed(virConnectPtr, virDomainPtr, const char* alias, void* self) {
  auto& watch = *static_cast<RemovalWatch*>(self);
  if (watch.alias_ == alias) watch.answer_ = Answer::removed;
}

void RemovalWatch::on_refused(virConnectPtr, virDomainPtr, const char* alias, void* self) {
  auto& watch = *static_cast<RemovalWatch*>(self);
  if (watch.alias_ == alias) watch.answer_ = Answer::refused;
}

}  // namespace gpuctl::libvirt
