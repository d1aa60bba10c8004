// SPDX-License-Identifier: GPL-2.0-or-later
// A datagram as the kernel's uevents are, in a network namespace of its own: what libudev makes of it,
// gpuctld hears. Whatever came, only the subsystems asked for are told, and the next event is heard.
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "fuzz/fuzz.hpp"
#include "os/udev_events.hpp"

using namespace gpuctl;

namespace {

constexpr std::size_t largest = 2000;  // the kernel has 2,048 bytes, and adds a number
constexpr std::array subsystems{"pci", "drm", "sound", "vfio", "vfio-dev", "module", "i2c-dev", "iommu"};
const std::string marker = "/devices/pci0000:00/0000:00:1f.6";

void require(bool holds) {
  if (!holds) std::abort();
}

std::string event(const std::string& action, const std::string& path, const std::string& more) {
  const std::string end(1, '\0');
  return action + "@" + path + end + "ACTION=" + action + end + "DEVPATH=" + path + end + more + end;
}

/// What is sent to the kernel is what it tells everybody in this namespace.
class Kernel {
 public:
  Kernel() {
    const int flags = CLONE_NEWNET | (::geteuid() == 0 ? 0 : CLONE_NEWUSER);
    require(::unshare(flags) == 0);  // or the machine's own udev would hear all this
    fd_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    require(fd_ >= 0);
  }

  void send(const std::string& text) const {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + text.size());
    header.nlmsg_flags = NLM_F_REQUEST;
    header.nlmsg_type = NLMSG_MIN_TYPE;
    std::string message(NLMSG_HDRLEN, '\0');
    std::memcpy(message.data(), &header, sizeof header);
    message += text;
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    [[maybe_unused]] const auto sent =
        ::sendto(fd_, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  }

 private:
  int fd_{};
};

void check(const DeviceEvent& event) {
  require(std::ranges::find(subsystems, event.subsystem) != subsystems.end());
  require(event.path.starts_with('/'));
}

/// gpuctld's end.
class Listener {
 public:
  Listener() {
    events_.on_event([this](const DeviceEvent& event) {
      check(event);
      marked_ = event.path == marker && event.action == "change";
    });
  }
  /// A datagram that is none ends a round: what is behind it waits for the next.
  bool hears_the_marker() {
    marked_ = false;
    for (int round = 0; round < 2 && !marked_; ++round) loop_.run_once(std::chrono::milliseconds{0});
    return marked_;
  }

 private:
  EventLoop loop_;
  UdevEvents events_{loop_};
  bool marked_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Kernel kernel;
  static Listener listener;
  kernel.send({reinterpret_cast<const char*>(data), std::min(size, largest)});
  kernel.send(event("change", marker, "SUBSYSTEM=pci"));
  require(listener.hears_the_marker());
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  using namespace std::string_literals;
  const std::string gpu = "/devices/pci0000:00/0000:00:01.0/0000:01:00.0";
  return {event("bind", gpu, "DRIVER=vfio-pci\0SUBSYSTEM=pci\0PCI_SLOT_NAME=0000:01:00.0"s),
          event("add", gpu + "/drm/card1", "SUBSYSTEM=drm\0DEVNAME=dri/card1\0MAJOR=226\0MINOR=1"s),
          event("remove", "/module/vfio_pci", "SUBSYSTEM=module"),
          event("add", "/devices/virtual/iommu/dmar0", "SUBSYSTEM=iommu")};
}
