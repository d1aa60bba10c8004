// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <libudev.h>

#include <memory>
#include <vector>

#include "os/device_events.hpp"
#include "os/event_loop.hpp"

namespace gpuctl {

/// The kernel's own uevents, filtered to the subsystems that say something about GPUs.
class UdevEvents : public DeviceEvents {
 public:
  /// Throws Error(internal) when the netlink socket cannot be opened.
  explicit UdevEvents(EventLoop& loop);
  /// A lost event (the socket's buffer ran over) is told as one with empty name and action "overflow".
  void on_event(std::function<void(const DeviceEvent&)> handler) override {
    handlers_.push_back(std::move(handler));
  }

 private:
  struct Unref {
    void operator()(udev* p) const noexcept { udev_unref(p); }
    void operator()(udev_monitor* p) const noexcept { udev_monitor_unref(p); }
    void operator()(udev_device* p) const noexcept { udev_device_unref(p); }
  };
  void receive();
  void tell(const DeviceEvent& event) const;
  std::unique_ptr<udev, Unref> udev_;
  std::unique_ptr<udev_monitor, Unref> monitor_;
  EventLoop::Source source_;
  std::vector<std::function<void(const DeviceEvent&)>> handlers_;
};

}  // namespace gpuctl
