// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace gpuctl {

/// A device file - told by its number, wherever it is - and its permission bits at one time.
struct NodeMode {
  std::string path;  ///< "/dev/dri/card1"
  unsigned major{}, minor{};
  unsigned mode{};  ///< 0 to 07777
  bool operator==(const NodeMode&) const = default;
};
using NodeModes = std::vector<NodeMode>;

/// For a step: "/dev/nvidia0 195:0 0666, /dev/dri/card1 226:1 0660".
std::string to_string(const NodeModes& nodes);
/// Back again; what is none of these is left out.
NodeModes node_modes(std::string_view text);

}  // namespace gpuctl
