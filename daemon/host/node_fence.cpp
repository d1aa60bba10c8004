// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/node_fence.hpp"

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

}  // namespace

NodeModes closable_nodes(const NodeControl& control, const GpuNodes& nodes) {
  NodeModes found;
  for (const auto& node : nodes.nodes) {
    if (!keeps_driver(node.kind) || node.shared || node.is_run() || node.major == 0) continue;
    NodeMode entry{node.path, node.major, node.minor, 0};
    entry.mode = control.mode(entry).value_or(0);
    if (entry.mode != 0) found.push_back(std::move(entry));
  }
  return found;
}

}  // namespace gpuctl
