// SPDX-License-Identifier: GPL-2.0-or-later
// A GPU that is built in and not on the bus: each way of switching it off has its own way back.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/checks/checks.hpp"

namespace gpuctl::checks {
namespace {

constexpr auto id = "gpu-hidden";

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
  if (path.ends_with("/50-remove-nvidia.rules")) return without_envycontrol(host);
  if (!host.program("prime-select").empty()) return "`sudo prime-select on-demand`, then reboot";
  return without_udev_rule(path);
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

std::vector<std::string> left_by_envycontrol(const HostFacts& host) {
  std::vector<std::string> files;
  for (const auto* directory : {"etc", "lib", "usr/lib"})
    if (const auto rule = fmt::format("{}/udev/rules.d/50-remove-nvidia.rules", directory);
        host.root.exists(rule))
      files.push_back(rule);
  const bool at_work = !files.empty() || !host.program("envycontrol").empty();
  const auto* blacklist = "etc/modprobe.d/blacklist-nvidia.conf";
  if (at_work && host.root.exists(blacklist)) files.insert(files.begin(), blacklist);
  return files;
}

std::string without_envycontrol(const HostFacts& host) {
  if (!host.program("envycontrol").empty()) return "`sudo envycontrol --reset`, then reboot";
  return fmt::format("`sudo rm -f /{}`, then reboot", fmt::join(left_by_envycontrol(host), " /"));
}

/// A link to /dev/null cannot be made where the rule itself is.
std::string without_udev_rule(const std::string& path) {
  const std::string changed = "etc/udev/rules.d/";
  if (path.starts_with(changed))
    return fmt::format("put it out of action: `sudo mv /{} /{}.off`, then reboot", path, path);
  return fmt::format("mask it: `sudo ln -s /dev/null /{}{}`, then reboot", changed,
                     path.substr(path.rfind('/') + 1));
}

std::optional<Problem> hidden_gpu(const HostFacts& host) {
  for (const auto look : {by_firmware, by_udev, by_mode})
    if (auto found = look(host)) return found;
  return std::nullopt;
}

}  // namespace gpuctl::checks
