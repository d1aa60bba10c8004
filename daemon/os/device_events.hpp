// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <string>

namespace gpuctl {

struct DeviceEvent {
  std::string action{};     ///< add, remove, bind, unbind, change, ... ; "overflow": some were lost
  std::string subsystem{};  ///< pci, drm, sound, module, ...
  std::string name{};       ///< kernel name: PCI address, "card1"
  std::string path{};       ///< below /sys: "/devices/pci0000:00/0000:00:01.0/0000:01:00.0/drm/card1"
};

/// Kernel uevents (netlink group 1: these also arrive in a service with PrivateNetwork=yes, unlike udevd's
/// group 2).
class DeviceEvents {
 public:
  virtual ~DeviceEvents() = default;
  virtual void on_event(std::function<void(const DeviceEvent&)> handler) = 0;
};

}  // namespace gpuctl
