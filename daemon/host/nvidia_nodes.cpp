// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/nvidia_nodes.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "core/whole_number.hpp"
#include "os/bound_functions.hpp"

namespace gpuctl {
namespace {

constexpr unsigned nvidia_major = 195, last_gpu_minor = 247, modeset_minor = 254, control_minor = 255;

DeviceNode gpu_node(PciAddress address, unsigned minor) {
  return {fmt::format("/dev/nvidia{}", minor), NodeKind::nvidia, address, nvidia_major, minor, minor, false};
}

/// The runs of minors that are left when those of the other GPUs are taken out.
std::vector<DeviceNode> possible_nodes(PciAddress address, const std::set<unsigned>& taken) {
  std::vector<DeviceNode> nodes;
  unsigned first = 0;
  const auto add_run = [&](unsigned end) {
    if (first >= end) return;
    auto node = gpu_node(address, first);
    node.last_minor = end - 1;
    if (node.is_run()) node.path = "/dev/nvidia";
    nodes.push_back(std::move(node));
  };
  for (const auto minor : taken) {
    add_run(minor);
    first = minor + 1;
  }
  add_run(last_gpu_minor + 1);
  return nodes;
}

std::vector<DeviceNode> own_nodes(const RootDir& root, PciAddress address,
                                  const std::vector<PciAddress>& all) {
  if (const auto minor = nvidia_minor(root, address)) return {gpu_node(address, *minor)};
  std::set<unsigned> taken;
  for (const auto other : all)
    if (const auto minor = other == address ? std::nullopt : nvidia_minor(root, other)) taken.insert(*minor);
  return possible_nodes(address, taken);
}

}  // namespace

std::optional<unsigned> char_major(const RootDir& root, std::string_view name) {
  std::istringstream lines{root.text("proc/devices")};
  for (std::string line; std::getline(lines, line) && !line.starts_with("Block");) {
    std::istringstream words{line};
    std::string major, device;
    if (words >> major >> device && device == name) return whole_number(major);
  }
  return std::nullopt;
}

std::optional<unsigned> nvidia_minor(const RootDir& root, PciAddress address) {
  std::istringstream lines{root.text("proc/driver/nvidia/gpus/" + address.str() + "/information")};
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view key = "Device Minor:";
    if (!line.starts_with(key)) continue;
    const auto value = line.find_first_not_of(" \t", key.size());
    return value == std::string::npos ? std::nullopt : whole_number(std::string_view{line}.substr(value));
  }
  return std::nullopt;
}

std::vector<DeviceNode> nvidia_nodes(const RootDir& root, PciAddress address) {
  const auto all = bound_to(root, "nvidia");
  const bool alone = all.size() <= 1;
  auto nodes = own_nodes(root, address, all);
  const auto shared = [&](const char* path, unsigned major, unsigned minor, bool of_others_too) {
    nodes.push_back({path, NodeKind::nvidia_shared, address, major, minor, minor, of_others_too});
  };
  shared("/dev/nvidia-modeset", nvidia_major, modeset_minor, !alone);
  if (const auto uvm = char_major(root, "nvidia-uvm")) shared("/dev/nvidia-uvm", *uvm, 0, !alone);
  // An open control node alone is no use of any GPU: its usage count is raised by /dev/nvidiaN and by
  // attached GPUs.
  shared("/dev/nvidiactl", nvidia_major, control_minor, true);
  return nodes;
}

}  // namespace gpuctl
