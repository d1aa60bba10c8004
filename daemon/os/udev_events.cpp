// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/udev_events.hpp"

#include <sys/epoll.h>

#include <cerrno>

#include "core/error.hpp"

namespace gpuctl {
namespace {

constexpr int receive_buffer = 4 * 1024 * 1024;

std::string text(const char* value) { return value == nullptr ? std::string{} : std::string{value}; }

}  // namespace

UdevEvents::UdevEvents(EventLoop& loop)
    : udev_(udev_new()), monitor_(udev_ ? udev_monitor_new_from_netlink(udev_.get(), "kernel") : nullptr) {
  if (!monitor_) throw Error(ErrorCode::internal, "cannot listen to the kernel's device events");
  for (const auto* subsystem : {"pci", "drm", "sound", "vfio", "vfio-dev", "module", "i2c-dev", "iommu"})
    udev_monitor_filter_add_match_subsystem_devtype(monitor_.get(), subsystem, nullptr);
  udev_monitor_set_receive_buffer_size(monitor_.get(), receive_buffer);
  udev_monitor_enable_receiving(monitor_.get());
  source_ = loop.watch_fd(udev_monitor_get_fd(monitor_.get()), EPOLLIN, [this](std::uint32_t) { receive(); });
}

void UdevEvents::receive() {
  while (true) {
    errno = 0;
    const std::unique_ptr<udev_device, Unref> device{udev_monitor_receive_device(monitor_.get())};
    if (!device && errno == ENOBUFS) return tell({"overflow", {}, {}, {}});
    if (!device) return;
    tell({text(udev_device_get_action(device.get())), text(udev_device_get_subsystem(device.get())),
          text(udev_device_get_sysname(device.get())), text(udev_device_get_devpath(device.get()))});
  }
}

void UdevEvents::tell(const DeviceEvent& event) const {
  for (const auto& handler : handlers_) handler(event);
}

}  // namespace gpuctl
