// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "host/checks/checks.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

struct Account {
  std::string name;
  gid_t group{};
};

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

/// By uid from passwd(5); nothing for accounts kept elsewhere (systemd-homed, LDAP).
std::optional<Account> account(const RootDir& root, uid_t uid) {
  for (const auto& line : lines(root.text("etc/passwd"))) {
    const auto fields = split(line, ':');
    if (fields.size() >= 4 && number(fields[2]) == uid)
      return Account{fields[0], number(fields[3]).value_or(0)};
  }
  return std::nullopt;
}

struct Group {
  gid_t gid{};
  std::vector<std::string> members;
};

std::optional<Group> group(const RootDir& root, std::string_view name) {
  for (const auto& line : lines(root.text("etc/group"))) {
    const auto fields = split(line, ':');
    if (fields.size() >= 4 && fields[0] == name)
      return Group{number(fields[2]).value_or(0), split(fields[3], ',')};
  }
  return std::nullopt;
}

std::string running_socket(const RootDir& root) {
  for (const auto* path : {"run/libvirt/virtqemud-sock", "run/libvirt/libvirt-sock"})
    if (root.exists(path)) return path;
  return {};
}

void running(const HostFacts& host, Problems& found) {
  if (const auto socket = running_socket(host.root); !socket.empty()) {
    found.push_back({"libvirt-running", Severity::ok, "/" + socket, "libvirt listens", ""});
    return;
  }
  const bool modular = !host.program("virtqemud").empty() && host.program("libvirtd").empty();
  found.push_back(
      {"libvirt-running", Severity::blocker, "/run/libvirt", "libvirt is installed, but does not listen",
       modular ? "sudo systemctl enable --now virtqemud.socket virtnetworkd.socket virtnodedevd.socket"
               : "sudo systemctl enable --now libvirtd.socket"});
}

/// The group's members manage VMs without a password (socket group, or polkit rule of the package); others
/// are asked.
void access(const HostFacts& host, Problems& found) {
  if (host.caller.uid == 0) return;
  const auto libvirt = group(host.root, "libvirt");
  const auto who = account(host.root, host.caller.uid);
  if (!libvirt || !who) return;
  const bool member =
      std::ranges::find(libvirt->members, who->name) != libvirt->members.end() || who->group == libvirt->gid;
  const auto& groups = host.caller.groups;
  const bool in_session = groups ? std::ranges::find(*groups, libvirt->gid) != groups->end() : member;
  if (in_session) {
    found.push_back({"libvirt-access", Severity::ok, "/etc/group", "you may manage VMs (group libvirt)", ""});
  } else if (member) {
    found.push_back({"libvirt-access", Severity::warning, "/etc/group",
                     "you are a member of group libvirt, but this session began before that",
                     "log out and in again"});
  } else {
    found.push_back(
        {"libvirt-access", Severity::info, "/etc/group",
         "you are not in group libvirt: virsh and virt-manager ask for an administrator's password",
         fmt::format("sudo usermod -aG libvirt {}, then log in again", who->name)});
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

void libvirt(const HostFacts& host, Problems& found) {
  const auto daemon = host.first_program({"virtqemud", "libvirtd"});
  if (daemon.empty()) {
    found.push_back({"libvirt-installed", Severity::blocker, "/usr/sbin/libvirtd",
                     "libvirt is not installed: neither libvirtd nor virtqemud is there",
                     host.distribution.install(Software::libvirt)});
    return;
  }
  found.push_back({"libvirt-installed", Severity::ok, "/" + daemon, "libvirt is installed", ""});
  running(host, found);
  access(host, found);
  network(host, found);
}

}  // namespace gpuctl::checks
