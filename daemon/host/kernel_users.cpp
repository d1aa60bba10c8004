// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/kernel_users.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include <fmt/format.h>

#include "host/nvidia_nodes.hpp"
#include "os/bound_functions.hpp"

namespace gpuctl {
namespace {

DeviceUser kernel_user(PciAddress function, std::string what, NodeKind node, std::string remedy) {
  DeviceUser user;
  user.comm = "kernel";
  user.what = std::move(what);
  user.node = node;
  user.function = function;
  user.via = Via::kernel;
  user.kind = HolderKind::kernel;
  user.remedy = std::move(remedy);
  return user;
}

bool is_yes(const std::string& parameter) { return parameter == "Y" || parameter == "1"; }

std::vector<PciAddress> of_gpu(const std::vector<PciAddress>& bound, const GpuNodes& nodes) {
  std::vector<PciAddress> functions;
  std::ranges::copy_if(bound, std::back_inserter(functions), [&](PciAddress a) {
    return std::ranges::find(nodes.functions, a) != nodes.functions.end();
  });
  return functions;
}

void add_nvidia_drm(const RootDir& root, PciAddress function, DeviceUsers& users) {
  const auto drm = nvidia_drm_state(root);
  if (!nvidia_drm_pins_gpu(drm)) return;
  users.push_back(kernel_user(
      function, "nvidia-drm modeset", NodeKind::nvidia,
      fmt::format(
          "Driver {}.{} cannot let go of one GPU: gpuctl unloads nvidia_drm where no other GPU needs it. Or "
          "update to 580.105.08 or later, or set nvidia_drm.modeset=0.",
          drm.version.major, drm.version.minor)));
}

/// Consoles of the framebuffer layer; which of several framebuffers one shows is not told, so the first one's
/// counts.
void add_consoles(const RootDir& root, const GpuNodes& nodes, DeviceUsers& users) {
  const auto fb = std::ranges::find_if(
      nodes.nodes, [](const auto& n) { return n.kind == NodeKind::framebuffer && n.path == "/dev/fb0"; });
  if (fb == nodes.nodes.end()) return;
  for (const auto& console : root.list("sys/class/vtconsole")) {
    const auto directory = "sys/class/vtconsole/" + console;
    if (root.text(directory + "/name").find("frame buffer device") == std::string::npos) continue;
    if (root.text(directory + "/bind") != "1") continue;
    auto user = kernel_user(
        fb->function, console, NodeKind::framebuffer,
        fmt::format("Take the text console off it: echo 0 > /sys/class/vtconsole/{}/bind", console));
    user.will_let_go = true;  // the framebuffer takes its console along when its driver removes it
    users.push_back(std::move(user));
  }
}

/// Mount point of mountinfo's line, if it is of that device: fields 3 (major:minor) and 5.
std::string mounted_at(const std::string& line, const std::string& number) {
  std::istringstream words{line};
  std::string id, parent, device, subtree, point;
  words >> id >> parent >> device >> subtree >> point;
  return device == number ? point : "";
}

void add_mounts(const RootDir& root, const DeviceNode& disk, DeviceUsers& users) {
  std::istringstream lines{root.text("proc/1/mountinfo")};
  for (std::string line; std::getline(lines, line);) {
    const auto point = mounted_at(line, fmt::format("{}:{}", disk.major, disk.minor));
    if (point.empty()) continue;
    auto user = kernel_user(
        disk.function, fmt::format("{} mounted at {}", disk.path, point), NodeKind::block,
        fmt::format("The disk is plugged into the graphics card's own USB port: umount {}", point));
    user.via = Via::mount;
    users.push_back(std::move(user));
  }
}

}  // namespace

DriverVersion DriverVersion::parse(std::string_view text) {
  DriverVersion version;
  std::sscanf(std::string{text.substr(0, 64)}.c_str(), "%u.%u.%u", &version.major, &version.minor,
              &version.patch);
  return version;
}

NvidiaDrm nvidia_drm_state(const RootDir& root) {
  NvidiaDrm drm;
  drm.version = DriverVersion::parse(root.text("sys/module/nvidia/version"));
  drm.loaded = root.exists("sys/module/nvidia_drm");
  drm.modeset = is_yes(root.text("sys/module/nvidia_drm/parameters/modeset"));
  drm.fbdev = is_yes(root.text("sys/module/nvidia_drm/parameters/fbdev"));
  return drm;
}

bool has_gpu_hooks(DriverVersion version) {
  if (version.major != 580) return version.major > 580;
  return version >= DriverVersion{580, 105, 8} || (version.minor == 94 && version.patch >= 6);
}

bool nvidia_drm_pins_gpu(const NvidiaDrm& drm) {
  return drm.loaded && drm.modeset && !has_gpu_hooks(drm.version);
}

DeviceUsers kernel_users(const RootDir& root, const GpuNodes& nodes) {
  DeviceUsers users;
  for (const auto function : of_gpu(bound_to(root, "nvidia"), nodes)) add_nvidia_drm(root, function, users);
  add_consoles(root, nodes, users);
  for (const auto& node : nodes.nodes)
    if (node.kind == NodeKind::block) add_mounts(root, node, users);
  return users;
}

}  // namespace gpuctl
