// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "host/checks/checks.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

std::array<int, 3> version_of(std::string_view text) {
  std::array<int, 3> version{};
  const auto parts = split(text, '.');
  for (std::size_t i = 0; i < parts.size() && i < version.size(); ++i)
    std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), version[i]);
  return version;
}

/// From 580.105.08 on nvidia-drm lets go of one GPU; before, with modeset on, it keeps the GPU until it is
/// unloaded.
void per_gpu_removal(const HostFacts& host, const std::string& version, Problems& found) {
  const bool modeset = host.root.text("sys/module/nvidia_drm/parameters/modeset") == "Y";
  if (!modeset || version_of(version) >= std::array{580, 105, 8}) return;
  const auto gpus = std::ranges::count_if(host.snapshot.functions, [](const auto& f) {
    return f.second.driver == "nvidia" && is_display(f.second.id);
  });
  found.push_back(
      {"nvidia-drm-removal", gpus > 1 ? Severity::warning : Severity::info,
       "/sys/module/nvidia_drm/parameters/modeset",
       fmt::format("NVIDIA driver {} with nvidia-drm.modeset=1 cannot let go of a single GPU; gpuctl unloads "
                   "nvidia_drm for that{}",
                   version,
                   gpus > 1 ? ", which cannot be while another GPU is bound to it: no attach works" : ""),
       gpus > 1
           ? "update the driver to 580.105.08 or later; or 'options nvidia_drm modeset=0' in /etc/modprobe.d "
             "and a reboot"
           : "driver 580.105.08 or later does without"});
}

std::string parameter(const RootDir& root, std::string_view name) {
  for (const auto& line : lines(root.text("proc/driver/nvidia/params")))
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':'))
      return std::string(trimmed(line.substr(name.size() + 1)));
  return {};
}

/// With PreserveVideoMemoryAllocations the driver fails system sleep unless nvidia-sleep.sh ran before.
void sleep(const HostFacts& host, Problems& found) {
  const bool preserve = parameter(host.root, "PreserveVideoMemoryAllocations") == "1";
  const bool notifiers = parameter(host.root, "UseKernelSuspendNotifiers") == "1";
  const bool units =
      host.unit_enabled("nvidia-suspend.service") && host.unit_enabled("nvidia-resume.service");
  if (preserve && !notifiers && !units) {
    found.push_back(
        {"nvidia-sleep", Severity::warning, "/proc/driver/nvidia/params",
         "the NVIDIA driver keeps video memory across sleep (PreserveVideoMemoryAllocations=1), but its "
         "services are "
         "not enabled: the machine will fail to sleep while the driver is loaded",
         "sudo systemctl enable nvidia-suspend.service nvidia-hibernate.service nvidia-resume.service"});
    return;
  }
  found.push_back({"nvidia-sleep", Severity::ok, "/proc/driver/nvidia/params",
                   "sleep is set up for the NVIDIA driver", ""});
}

void daemons(const HostFacts& host, Problems& found) {
  if (host.root.exists("run/nvidia-persistenced/socket"))
    found.push_back(
        {"nvidia-persistenced", Severity::info, "/run/nvidia-persistenced/socket",
         "nvidia-persistenced keeps the GPU open; gpuctl stops it for a hand-over and starts it again", ""});
}

}  // namespace

void nvidia(const HostFacts& host, Problems& found) {
  const auto version = host.root.text("sys/module/nvidia/version");
  if (version.empty()) return;
  per_gpu_removal(host, version, found);
  sleep(host, found);
  daemons(host, found);
}

}  // namespace gpuctl::checks
