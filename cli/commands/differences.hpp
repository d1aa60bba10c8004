// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "cli/values.hpp"

namespace gpuctl::cli {

/// Something that happened, as `gpuctl monitor` tells it.
struct Event {
  std::string kind;  ///< gpu-added, gpu-removed, gpu-state, gpu-driver, operation-started, -step, -finished
  std::string subject;  ///< PCI address or number of the operation
  std::string detail;
  bool operator==(const Event&) const = default;
};

/// What has happened between two looks.
std::vector<Event> differences(const Objects& before, const Objects& after);

}  // namespace gpuctl::cli
