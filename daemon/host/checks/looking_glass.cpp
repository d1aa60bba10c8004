// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "host/checks/checks.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

/// QEMU makes a plain file of that name when it starts before the module is loaded.
void kvmfr(const HostFacts& host, Problems& found) {
  const bool module = host.root.exists("sys/module/kvmfr");
  const bool device = !host.root.list("sys/class/kvmfr").empty();
  if (device) {
    const auto rules = udev_lines(host.root, "kvmfr");
    found.push_back(
        {"looking-glass-kvmfr", rules.empty() ? Severity::warning : Severity::ok, "/dev/kvmfr0",
         rules.empty()
             ? "the kvmfr device is there, but no udev rule gives it to a group: QEMU and the client "
               "cannot open it"
             : fmt::format("the kvmfr device is there, its owner set by /{}", rules.front().path),
         rules.empty() ? "put SUBSYSTEM==\"kvmfr\", GROUP=\"kvm\", MODE=\"0660\", TAG+=\"uaccess\" into "
                         "/etc/udev/rules.d/70-kvmfr.rules"
                       : ""});
  } else if (module) {
    found.push_back(
        {"looking-glass-kvmfr", Severity::warning, "/sys/module/kvmfr",
         "the kvmfr module is loaded without a device: static_size_mb is not set",
         "`options kvmfr static_size_mb=64` in /etc/modprobe.d/kvmfr.conf, then reload the module"});
  }
}

void shared_memory(const HostFacts& host, Problems& found) {
  const auto rules = find_lines(host.root, {"etc/tmpfiles.d", "run/tmpfiles.d", "usr/lib/tmpfiles.d"},
                                ".conf", "/dev/shm/looking-glass");
  if (rules.empty()) {
    found.push_back(
        {"looking-glass-shm", Severity::warning, "/etc/tmpfiles.d",
         "the Looking Glass client is installed, but nothing prepares /dev/shm/looking-glass: "
         "QEMU makes it for "
         "itself, and the client may not open it",
         "`gpuctl vm setup VM --looking-glass 1920x1080` (the guest's size) prepares it and the VM"});
    return;
  }
  found.push_back({"looking-glass-shm", Severity::ok, "/" + rules.front().path,
                   "/dev/shm/looking-glass is prepared at boot", ""});
}

}  // namespace

void looking_glass(const HostFacts& host, Problems& found) {
  kvmfr(host, found);
  const auto client = host.program("looking-glass-client");
  if (client.empty()) {
    found.push_back({"looking-glass", Severity::info, "/usr/bin/looking-glass-client",
                     "the Looking Glass client is not installed; it shows a guest's GPU picture in a window "
                     "without a second "
                     "screen",
                     ""});
    return;
  }
  found.push_back({"looking-glass", Severity::ok, "/" + client, "the Looking Glass client is installed", ""});
  if (host.root.list("sys/class/kvmfr").empty()) shared_memory(host, found);
}

}  // namespace gpuctl::checks
