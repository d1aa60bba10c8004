// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/device_nodes.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <sstream>
#include <tuple>
#include <utility>

#include "host/nvidia_nodes.hpp"
#include "os/bound_functions.hpp"

namespace gpuctl {
namespace {

namespace fs = std::filesystem;

/// Directories below a PCI function that hold many entries and never a device.
constexpr std::array no_devices{"power", "msi_irqs", "widgets", "gt", "tile0", "statistics"};

struct DirectoryKind {
  std::string_view component, dev_prefix;
  NodeKind kind;
};
/// First match wins: a sound card's jack is an input device, and a disk on a USB port is a disk.
constexpr std::array kinds{
    DirectoryKind{"/block/", "/dev/", NodeKind::block},
    DirectoryKind{"/input", "/dev/input/", NodeKind::input},
    DirectoryKind{"/drm_dp_aux", "/dev/", NodeKind::drm},
    DirectoryKind{"/i2c-dev/", "/dev/", NodeKind::i2c},
    DirectoryKind{"/drm/", "/dev/dri/", NodeKind::drm},
    DirectoryKind{"/sound/", "/dev/snd/", NodeKind::sound},
    DirectoryKind{"/graphics/", "/dev/", NodeKind::framebuffer},
    DirectoryKind{"/vfio-dev/", "/dev/vfio/devices/", NodeKind::vfio},
};

std::optional<std::pair<unsigned, unsigned>> device_number(const std::string& text) {
  unsigned major{}, minor{};
  if (std::sscanf(text.c_str(), "%u:%u", &major, &minor) != 2) return std::nullopt;
  return std::pair{major, minor};
}

/// Value of a key in a directory's uevent attribute; empty if absent.
std::string uevent_value(const RootDir& root, const std::string& directory, const std::string& key) {
  std::istringstream lines{root.text(directory + "/uevent")};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key + "=")) return line.substr(key.size() + 1);
  return {};
}

/// While a driver's remove() waits for its users the link has gone, but uevent still names it.
std::string bound_driver(const RootDir& root, PciAddress function) {
  const auto directory = "sys/bus/pci/devices/" + function.str();
  const auto driver = root.link_name(directory + "/driver");
  return driver.empty() ? uevent_value(root, directory, "DRIVER") : driver;
}

/// Node of a sysfs directory that has a `dev` attribute; `below` is its path below the function.
std::optional<DeviceNode> node_at(const RootDir& root, const std::string& directory,
                                  const std::string& below) {
  const auto number = device_number(root.text(directory + "/dev"));
  if (!number) return std::nullopt;
  DeviceNode node;
  node.kind = NodeKind::other;
  std::string prefix = "/dev/";
  for (const auto& known : kinds)
    if (below.find(known.component) != std::string::npos) {
      node.kind = known.kind;
      prefix = known.dev_prefix;
      break;
    }
  const auto name = uevent_value(root, directory, "DEVNAME");
  node.path = name.empty() ? prefix + below.substr(below.rfind('/') + 1) : "/dev/" + name;
  std::tie(node.major, node.minor) = *number;
  node.last_minor = node.minor;
  return node;
}

bool may_hold_devices(const fs::path& path) {
  return std::ranges::find(no_devices, path.filename().string()) == no_devices.end();
}

/// A device that goes away while it is walked through just ends the walk.
void collect_below(const RootDir& root, PciAddress function, std::vector<DeviceNode>& nodes) {
  const auto base = "sys/bus/pci/devices/" + function.str();
  const auto top = (root.path() / base).string();
  std::error_code error;
  for (fs::recursive_directory_iterator at{top, error}, end; !error && at != end; at.increment(error)) {
    if (!at->is_directory(error) || at->is_symlink(error)) continue;
    if (!may_hold_devices(at->path())) {
      at.disable_recursion_pending();
      continue;
    }
    const auto below = at->path().string().substr(top.size());
    auto node = node_at(root, base + below, below);
    if (!node) continue;
    node->function = function;
    nodes.push_back(std::move(*node));
  }
}

void add_vfio_group(const RootDir& root, PciAddress function, std::vector<DeviceNode>& nodes) {
  const auto group = root.link_name("sys/bus/pci/devices/" + function.str() + "/iommu_group");
  if (group.empty() ||
      std::ranges::any_of(nodes, [&](const auto& n) { return n.path == "/dev/vfio/" + group; }))
    return;
  DeviceNode node{"/dev/vfio/" + group, NodeKind::vfio, function, 0, 0, 0, false};
  if (const auto number = device_number(root.text("sys/class/vfio/" + group + "/dev"))) {
    std::tie(node.major, node.minor) = *number;
    node.last_minor = node.minor;
  }
  nodes.push_back(std::move(node));
}

void add_amd_compute(const RootDir& root, PciAddress function, std::vector<DeviceNode>& nodes) {
  const auto number = device_number(root.text("sys/class/kfd/kfd/dev"));
  if (!number) return;
  const bool others = bound_to(root, "amdgpu").size() > 1;
  nodes.push_back(
      {"/dev/kfd", NodeKind::amd_shared, function, number->first, number->second, number->second, others});
}

std::string sysfs_dir(const RootDir& root, PciAddress function) {
  const auto link = root.link("sys/bus/pci/devices/" + function.str());
  const auto devices = link ? link->find("devices/") : std::string::npos;
  return devices == std::string::npos ? "/sys/bus/pci/devices/" + function.str()
                                      : "/sys/" + link->substr(devices);
}

}  // namespace

std::string_view to_string(NodeKind kind) {
  switch (kind) {
    case NodeKind::drm:
      return "drm";
    case NodeKind::nvidia:
      return "nvidia";
    case NodeKind::nvidia_shared:
      return "nvidia-shared";
    case NodeKind::amd_shared:
      return "amd-shared";
    case NodeKind::sound:
      return "sound";
    case NodeKind::i2c:
      return "i2c";
    case NodeKind::framebuffer:
      return "framebuffer";
    case NodeKind::vfio:
      return "vfio";
    case NodeKind::block:
      return "block";
    case NodeKind::input:
      return "input";
    case NodeKind::sysfs:
      return "sysfs";
    case NodeKind::other:
      return "other";
  }
  return "other";
}

GpuNodes device_nodes(const RootDir& root, const std::vector<PciAddress>& functions) {
  GpuNodes found;
  found.functions = functions;
  for (const auto function : functions) {
    collect_below(root, function, found.nodes);
    add_vfio_group(root, function, found.nodes);
    const auto driver = bound_driver(root, function);
    if (driver == "nvidia") std::ranges::move(nvidia_nodes(root, function), std::back_inserter(found.nodes));
    if (driver == "amdgpu") add_amd_compute(root, function, found.nodes);
    found.sysfs_dirs.push_back(sysfs_dir(root, function));
  }
  return found;
}

std::vector<PciAddress> other_gpus(const RootDir& root, const GpuNodes& nodes) {
  std::vector<PciAddress> others;
  for (const auto& name : root.list("sys/bus/pci/devices")) {
    const auto address = PciAddress::parse(name);
    if (!address || std::ranges::find(nodes.functions, *address) != nodes.functions.end()) continue;
    if (root.text("sys/bus/pci/devices/" + name + "/class").starts_with("0x03")) others.push_back(*address);
  }
  return others;
}

}  // namespace gpuctl
