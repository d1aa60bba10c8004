// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/node_fence.hpp"

#include <fmt/format.h>

#include "host/nvidia_nodes.hpp"
#include "os/bound_functions.hpp"

namespace gpuctl {
namespace {

bool keeps_driver(NodeKind kind) {
  switch (kind) {
    case NodeKind::drm:
    case NodeKind::nvidia:
    case NodeKind::sound:
    case NodeKind::i2c:
    case NodeKind::framebuffer:
    case NodeKind::vfio:
      return true;
    default:
      return false;
  }
}

/// A run of minors stands for the one that is not known: with a single GPU, whichever of them is there.
std::vector<NodeMode> files_of(const RootDir& root, const NodeControl& control, const DeviceNode& node) {
  if (!node.is_run()) return {{node.path, node.major, node.minor, 0}};
  std::vector<NodeMode> files;
  if (bound_to(root, "nvidia").size() > 1) return files;
  for (const auto minor : control.minors(node.path))
    if (minor >= node.minor && minor <= node.last_minor)
      files.push_back({fmt::format("{}{}", node.path, minor), node.major, minor, 0});
  return files;
}

}  // namespace

NodeModes closable_nodes(const RootDir& root, const NodeControl& control, const GpuNodes& nodes) {
  NodeModes found;
  for (const auto& node : nodes.nodes) {
    if (!keeps_driver(node.kind) || node.shared || node.major == 0) continue;
    for (auto& file : files_of(root, control, node)) {
      file.mode = control.mode(file).value_or(0);
      if (file.mode != 0) found.push_back(std::move(file));
    }
  }
  return found;
}

}  // namespace gpuctl
