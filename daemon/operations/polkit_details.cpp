// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/polkit_details.hpp"

namespace gpuctl {

PolkitDetails polkit_details(const Gpu& gpu, const Snapshot& snapshot, const std::string& vm) {
  PolkitDetails details{{"gpu", gpu.address.str()}, {"vm", vm}};
  if (const auto* display = snapshot.find(gpu.address); display != nullptr) {
    details["name"] = function_name(*display);
    details["driver"] = display->driver;
  }
  return details;
}

}  // namespace gpuctl
