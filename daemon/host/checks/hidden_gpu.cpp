// SPDX-License-Identifier: GPL-2.0-or-later
// A GPU that is built in and not on the bus: each way of switching it off has its own way back.
#include <fmt/format.h>

#include "host/checks/checks.hpp"

namespace gpuctl::checks {
namespace {

constexpr auto id = "gpu-hidden";

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// ASUS firmware; Linux: Documentation/ABI/testing/sysfs-platform-asus-wmi.
std::optional<Problem> by_firmware(const HostFacts& host) {
  for (const std::string path :
       {"sys/class/firmware-attributes/asus-armoury/attributes/dgpu_disable/current_value",
        "sys/devices/platform/asus-nb-wmi/dgpu_disable"})
    if (host.root.text(path) == "1")
      return Problem{id, Severity::blocker, "/" + path,
                     "firmware keeps the discrete GPU switched off (dgpu_disable = 1): Linux does not see it",
                     host.program("supergfxctl").empty()
                         ? fmt::format("`echo 0 | sudo tee /{}`, then reboot", path)
                         : "`supergfxctl -m Hybrid`, then reboot"};
  return std::nullopt;
}

std::string without_rule(const HostFacts& host, const std::string& path) {
  if (file_name(path) == "50-remove-nvidia.rules") return "`sudo envycontrol --reset`, then reboot";
  if (!host.program("prime-select").empty()) return "`sudo prime-select on-demand`, then reboot";
  return fmt::format("mask it: `sudo ln -sf /dev/null /etc/udev/rules.d/{}`, then reboot", file_name(path));
}

std::optional<Problem> by_udev(const HostFacts& host) {
  for (const auto& [path, text] : udev_lines(host.root, "ATTR{remove}"))
    if (text.find("ATTR{class}==\"0x03") != std::string::npos)
      return Problem{id, Severity::blocker, "/" + path,
                     "a udev rule takes graphics cards off the bus, so there is none to hand over",
                     without_rule(host, path)};
  return std::nullopt;
}

std::optional<Problem> by_mode(const HostFacts& host) {
  if (host.root.text("etc/supergfxd.conf").find("\"mode\": \"Integrated\"") != std::string::npos)
    return Problem{id, Severity::blocker, "/etc/supergfxd.conf",
                   "supergfxctl is in Integrated mode, which takes the discrete GPU off the bus",
                   "`supergfxctl -m Hybrid`, then log in again"};
  const auto blocking = blocking_lines(host.root, "nvidia");
  if (!blocking.empty() && blocking.front().path == "etc/modprobe.d/system76-power.conf")
    return Problem{id, Severity::blocker, "/etc/modprobe.d/system76-power.conf",
                   "system76-power is in integrated mode, which takes the discrete GPU off the bus",
                   "`system76-power graphics hybrid`, then reboot"};
  return std::nullopt;
}

}  // namespace

std::optional<Problem> hidden_gpu(const HostFacts& host) {
  for (const auto look : {by_firmware, by_udev, by_mode})
    if (auto found = look(host)) return found;
  return std::nullopt;
}

}  // namespace gpuctl::checks
