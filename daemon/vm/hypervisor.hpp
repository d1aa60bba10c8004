// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/pci_address.hpp"

namespace gpuctl {

enum class VmState { running, paused, shut_off, other };
constexpr const char* to_string(VmState state) {
  switch (state) {
    case VmState::running:
      return "running";
    case VmState::paused:
      return "paused";
    case VmState::shut_off:
      return "shut-off";
    case VmState::other:
      return "other";
  }
  return "other";
}

/// One libvirt domain.
struct Vm {
  std::string name;
  std::string uuid;
  VmState state{VmState::shut_off};
  bool persistent{true};
  std::string inactive_xml;  ///< secure: all of it, as it can be defined again
  std::string live_xml;      ///< empty unless running
  bool managed_save{};  ///< its next start brings back a saved state, devices and all, not the definition
};

/// QEMU has the domain's devices: it runs, or is paused.
inline bool is_active(const Vm& vm) {
  return !vm.live_xml.empty() || vm.state == VmState::running || vm.state == VmState::paused;
}

/// libvirt, as gpuctl uses it. All calls block: worker processes only. Throws Error(libvirt_unavailable |
/// vm_not_found | vm_running | kernel_refused) with libvirt's own sentence.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  virtual std::vector<Vm> vms() = 0;
  /// By UUID or by name; a UUID wins.
  virtual Vm vm(const std::string& name_or_uuid) = 0;
  /// Replaces the inactive definition after validation against libvirt's schema.
  virtual void define(const std::string& xml) = 0;
  virtual void start(const std::string& uuid) = 0;
  virtual void destroy(const std::string& uuid) = 0;
  /// Device XML into or out of the running domain. detach waits for the guest's answer: device-removed event
  /// or timeout.
  virtual void attach_live(const std::string& uuid, const std::string& device_xml) = 0;
  virtual void detach_live(const std::string& uuid, const std::string& device_xml, const std::string& alias,
                           int timeout_ms) = 0;
  /// Blocks and reports lifecycle events until `keep_going` says no: event is "started" | "stopped" |
  /// "undefined" | "defined" | "connection-lost" (the last one), or "watching" once: from there on none is
  /// missed.
  virtual void watch(const std::function<void(const std::string& event, const std::string& uuid)>& handler,
                     const std::function<bool()>& keep_going) = 0;
  /// libvirt's own: major * 1000000 + minor * 1000 + release; 0 = not known.
  virtual unsigned long version() { return 0; }
};

}  // namespace gpuctl
