// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include <fmt/format.h>

#include "host/checks/checks.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

struct VfioModule {
  std::string_view name, directory, purpose;
};

constexpr VfioModule vfio_modules[] = {
    {"vfio_pci", "drivers/vfio/pci", "the driver that holds a GPU for VMs"},
    {"vfio_iommu_type1", "drivers/vfio", "the memory side of VFIO that QEMU uses"},
};

std::string file_name(std::string_view module) {
  std::string name(module);
  std::ranges::replace(name, '_', '-');
  return name;
}

void module(const HostFacts& host, const VfioModule& m, Problems& found) {
  const auto id = file_name(m.name) + "-module";
  const auto subject = fmt::format("/lib/modules/{}/kernel/{}", host.kernel, m.directory);
  switch (host.module_state(m.name, m.directory)) {
    case ModuleState::loaded:
      found.push_back({id, Severity::ok, fmt::format("/sys/module/{}", m.name), "loaded", ""});
      return;
    case ModuleState::available:
      found.push_back({id, Severity::ok, subject, "there; gpuctl has it loaded when it is needed", ""});
      return;
    case ModuleState::built_in:
      found.push_back(
          {id, Severity::ok, subject,
           "built into the kernel: gpuctl binds by driver_override, which works the same; options in "
           "/etc/modprobe.d have no effect on it",
           ""});
      return;
    case ModuleState::missing:
      found.push_back({id, Severity::blocker, subject,
                       fmt::format("kernel {} has no {}: {}", host.kernel, file_name(m.name), m.purpose),
                       host.distribution.install(Software::kvm_kernel) + " and reboot into it"});
      return;
    case ModuleState::unknown:
      found.push_back({id, Severity::warning, "/lib/modules/" + host.kernel,
                       "the modules of the running kernel are not there, so nothing can be loaded; a kernel "
                       "upgrade does that",
                       "reboot"});
  }
}

/// gpuctl loads by modprobe -b through systemd, which obeys all of these.
void blacklist(const HostFacts& host, Problems& found) {
  for (const auto* name : {"vfio_pci", "vfio", "vfio_iommu_type1"})
    for (const auto& [path, text] : blocking_lines(host.root, name))
      found.push_back({"vfio-blacklisted", Severity::blocker, "/" + path,
                       fmt::format("\"{}\" keeps VFIO from loading", text), "remove that line"});
  for (const auto* key : {"module_blacklist", "modprobe.blacklist", "rd.driver.blacklist"})
    for (const auto& name : host.command_line.list(key))
      if (with_underscores(name).starts_with("vfio"))
        found.push_back({"vfio-blacklisted", Severity::blocker, "/proc/cmdline",
                         fmt::format("the kernel argument {}={} keeps VFIO from loading", key, name),
                         "take it out of the kernel arguments and reboot"});
}

}  // namespace

void vfio(const HostFacts& host, Problems& found) {
  for (const auto& m : vfio_modules) module(host, m, found);
  blacklist(host, found);
}

}  // namespace gpuctl::checks
