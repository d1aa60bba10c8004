// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "host/accounts.hpp"
#include "host/checks/checks.hpp"

namespace gpuctl::checks {
namespace {

std::string running_socket(const RootDir& root) {
  for (const auto* path : {"run/libvirt/virtqemud-sock", "run/libvirt/libvirt-sock"})
    if (root.exists(path)) return path;
  return {};
}

/// Only where libvirt's drivers are seen can one be missed.
bool lacks_qemu_driver(const RootDir& root) {
  bool drivers = false;
  for (const auto* libraries : {"lib64", "lib", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"}) {
    const auto directory = fmt::format("usr/{}/libvirt/connection-driver", libraries);
    if (root.exists(directory + "/libvirt_driver_qemu.so")) return false;
    drivers = drivers || root.exists(directory);
  }
  return drivers;
}

/// The two may not run side by side. Where both are installed, the one that its package has enabled counts.
bool is_modular(const HostFacts& host) {
  if (host.program("libvirtd").empty()) return true;
  const bool both = !host.program("virtqemud").empty();
  return both && host.unit_enabled("virtqemud.socket") && !host.unit_enabled("libvirtd.socket");
}

void running(const HostFacts& host, Problems& found) {
  if (const auto socket = running_socket(host.root); !socket.empty()) {
    found.push_back({"libvirt-running", Severity::ok, "/" + socket, "libvirt listens", ""});
    return;
  }
  found.push_back(
      {"libvirt-running", Severity::blocker, "/run/libvirt", "libvirt is installed, but does not listen",
       is_modular(host)
           ? "sudo systemctl enable --now virtqemud.socket virtnetworkd.socket virtnodedevd.socket"
           : "sudo systemctl enable --now libvirtd.socket"});
}

/// The group's members manage VMs without a password (socket group, or polkit rule of the package); others
/// are asked.
void access(const HostFacts& host, Problems& found) {
  if (host.caller.uid == 0) return;
  switch (membership(host, "libvirt")) {
    case Membership::unknown:
      return;
    case Membership::now:
      found.push_back(
          {"libvirt-access", Severity::ok, "/etc/group", "you may manage VMs (group libvirt)", ""});
      return;
    case Membership::later:
      found.push_back({"libvirt-access", Severity::warning, "/etc/group",
                       "you are a member of group libvirt, but this session began before that",
                       "log out and in again"});
      return;
    case Membership::none:
      found.push_back(
          {"libvirt-access", Severity::info, "/etc/group",
           "you are not in group libvirt: virsh and virt-manager ask for an administrator's password",
           join_command(host, "libvirt")});
  }
}

void network(const HostFacts& host, Problems& found) {
  if (!host.root.exists("etc/libvirt/qemu/networks/default.xml")) return;
  const bool autostart = host.root.link("etc/libvirt/qemu/networks/autostart/default.xml").has_value();
  found.push_back(
      {"libvirt-network", autostart ? Severity::ok : Severity::info,
       "/etc/libvirt/qemu/networks/autostart/default.xml",
       autostart ? "the default network starts by itself" : "the default network does not start by itself",
       autostart ? "" : "sudo virsh net-autostart default && sudo virsh net-start default"});
}

}  // namespace

std::string libvirt_daemon(const HostFacts& host) {
  auto daemon = host.first_program({"virtqemud", "libvirtd"});
  return lacks_qemu_driver(host.root) ? std::string{} : daemon;
}

void libvirt(const HostFacts& host, Problems& found) {
  const auto daemon = libvirt_daemon(host);
  if (daemon.empty()) {
    found.push_back({"libvirt-installed", Severity::blocker, "/usr/sbin/libvirtd",
                     lacks_qemu_driver(host.root)
                         ? "libvirt is installed without its driver for QEMU"
                         : "libvirt is not installed: neither libvirtd nor virtqemud is there",
                     host.distribution.install(missing_vm_software(host))});
    return;
  }
  found.push_back({"libvirt-installed", Severity::ok, "/" + daemon, "libvirt is installed", ""});
  running(host, found);
  access(host, found);
  network(host, found);
}

}  // namespace gpuctl::checks
