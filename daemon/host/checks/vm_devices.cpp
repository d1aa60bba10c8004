// SPDX-License-Identifier: GPL-2.0-or-later
// What QEMU wants of the kernel beside KVM and VFIO.
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/accounts.hpp"
#include "host/checks/checks.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

struct Node {
  const char* id;
  const char* path;
  const char* name;  ///< of the class device in /sys/class/misc, and for udev's KERNEL==
  const char* module;
  const char* directory;  ///< of the module below kernel/
  const char* without;
  const char* closed;  ///< what it means that the caller may not open it
};

constexpr Node nodes[] = {
    {"vhost-net", "/dev/vhost-net", "vhost-net", "vhost_net", "drivers/vhost",
     "packets of VMs go through QEMU instead of the kernel, which is slower",
     "libvirtd opens it for VMs of the system, but VMs of your own session (qemu:///session) are without it"},
    {"tun", "/dev/net/tun", "tun", "tun", "drivers/net", "no VM gets a network device on libvirt's networks",
     "libvirtd opens it for VMs of the system, but you cannot open it for programs of your own"},
};

void blocked(const Node& node, const ConfigLine& line, Problems& found) {
  found.push_back({node.id, Severity::warning, "/" + line.path,
                   fmt::format("\"{}\" keeps {} from loading: {}", line.text, node.module, node.without),
                   fmt::format("remove that line, then `sudo modprobe {}`", node.module)});
}

void missing(const HostFacts& host, const Node& node, Problems& found) {
  found.push_back({node.id, Severity::warning,
                   fmt::format("/lib/modules/{}/kernel/{}", host.kernel, node.directory),
                   fmt::format("kernel {} has no {} module: {}", host.kernel, node.module, node.without),
                   host.distribution.install(Software::kvm_kernel) + " and reboot into it"});
}

/// Is there, or comes with the first open: the node is made at boot for a module that is not loaded yet.
bool there(const HostFacts& host, const Node& node, Problems& found) {
  // The node itself is hidden from gpuctld; its class device tells the same.
  const bool live = host.root.exists(fmt::format("sys/class/misc/{}", node.name));
  if (!live) {
    if (const auto lines = blocking_lines(host.root, node.module); !lines.empty())
      return blocked(node, lines.front(), found), false;
    const auto state = host.module_state(node.module, node.directory);
    if (state == ModuleState::missing) return missing(host, node, found), false;
    if (state == ModuleState::unknown) return false;  // said by the checks of VFIO
  }
  found.push_back({node.id, Severity::ok, node.path,
                   live ? "there" : fmt::format("{} is loaded when it is first opened", node.module), ""});
  return true;
}

/// The value of KEY="..." in a udev rule, "" if the rule has none.
std::string value_of(const std::string& rule, const std::string& key) {
  const auto at = rule.find(key + "=\"");
  if (at == std::string::npos) return {};
  const auto begin = at + key.size() + 2;
  return rule.substr(begin, rule.find('"', begin) - begin);
}

struct Permissions {
  std::string group, mode, file;
};

/// Rules are obeyed in the order of their files' names, wherever these are.
Permissions permissions(const HostFacts& host, const Node& node) {
  auto rules = udev_lines(host.root, fmt::format("KERNEL==\"{}\"", node.name));
  const auto name = [](const ConfigLine& line) { return line.path.substr(line.path.rfind('/') + 1); };
  std::ranges::stable_sort(rules, {}, name);
  Permissions result;
  for (const auto& [path, text] : rules) {
    if (const auto group = value_of(text, "GROUP"); !group.empty()) result.group = group;
    if (const auto mode = value_of(text, "MODE"); !mode.empty()) result.mode = mode;
    result.file = "/" + path;
  }
  return result;
}

bool everybody_may(const std::string& mode) {
  return !mode.empty() && (mode.back() == '6' || mode.back() == '7');
}

void access(const HostFacts& host, const Node& node, Problems& found) {
  if (host.caller.uid == 0) return;
  const auto id = fmt::format("{}-access", node.id);
  const auto set = permissions(host, node);
  const auto subject = set.file.empty() ? node.path : set.file;
  if (everybody_may(set.mode)) {
    found.push_back({id, Severity::ok, subject, fmt::format("everybody may open {}", node.path), ""});
    return;
  }
  const auto member = set.group.empty() ? Membership::unknown : membership(host, set.group);
  if (member == Membership::now) {
    found.push_back(
        {id, Severity::ok, subject, fmt::format("you may open {} (group {})", node.path, set.group), ""});
    return;
  }
  const auto join = member == Membership::later ? "log out and in again" : join_command(host, set.group);
  found.push_back(
      {id, Severity::info, subject, fmt::format("you may not open {}: {}", node.path, node.closed), join});
}

/// "hugepages-2048kB" -> "2 MiB"; 64-bit ARM has some of 64 KiB.
std::string page_size(const std::string& directory) {
  const auto kib = std::strtoul(directory.c_str() + directory.find('-') + 1, nullptr, 10);
  if (kib < 1024) return fmt::format("{} KiB", kib);
  return kib >= 1024UL * 1024 ? fmt::format("{} GiB", kib / 1024 / 1024) : fmt::format("{} MiB", kib / 1024);
}

void huge_pages(const HostFacts& host, Problems& found) {
  const std::string base = "sys/kernel/mm/hugepages";
  std::vector<std::string> configured;
  for (const auto& size : host.root.list(base)) {
    const auto count = host.root.text(fmt::format("{}/{}/nr_hugepages", base, size));
    if (count.empty() || count == "0") continue;
    configured.push_back(fmt::format("{} of {}, {} free", count, page_size(size),
                                     host.root.text(fmt::format("{}/{}/free_hugepages", base, size))));
  }
  found.push_back(
      {"hugepages", Severity::info, "/" + base,
       configured.empty()
           ? "no huge pages are set aside; only a VM whose definition asks for them (<hugepages/>) needs any"
           : fmt::format("huge pages set aside: {}; only a VM whose definition asks for them (<hugepages/>) "
                         "uses them, nothing else gets that memory",
                         fmt::join(configured, "; ")),
       "`gpuctl check VM` tells how many that VM needs"});
}

}  // namespace

void vm_devices(const HostFacts& host, Problems& found) {
  for (const auto& node : nodes)
    if (there(host, node, found)) access(host, node, found);
  huge_pages(host, found);
}

}  // namespace gpuctl::checks
