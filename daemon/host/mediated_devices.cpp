// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/mediated_devices.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpuctl {
namespace {

/// 8-4-4-4-12 hexadecimal digits.
bool is_uuid(std::string_view name) {
  constexpr std::string_view form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  constexpr std::string_view digits = "0123456789abcdefABCDEF";
  return std::ranges::equal(name, form, [&](char c, char wanted) {
    return wanted == '-' ? c == '-' : digits.find(c) != std::string_view::npos;
  });
}

/// Each is a directory below its parent, named by its UUID
/// (Documentation/driver-api/vfio-mediated-device.rst).
std::vector<std::string> mediated_devices(const RootDir& root, PciAddress function) {
  auto names = root.list("sys/bus/pci/devices/" + function.str());
  std::erase_if(names, [](const std::string& name) { return !is_uuid(name); });
  std::ranges::sort(names);
  return names;
}

}  // namespace

Problems mediated_device_problems(const RootDir& root, const std::vector<PciAddress>& functions) {
  Problems found;
  for (const auto function : functions) {
    const auto devices = mediated_devices(root, function);
    if (devices.empty()) continue;
    found.push_back(
        {"mediated-devices", Severity::blocker, function.str(),
         fmt::format(
             "{} is divided into mediated devices ({}), and its driver does not leave while there are "
             "any.",
             function.str(), fmt::join(devices, ", ")),
         fmt::format("Shut down the VMs that have them, then: mdevctl stop -u {}", devices.front())});
  }
  return found;
}

}  // namespace gpuctl
