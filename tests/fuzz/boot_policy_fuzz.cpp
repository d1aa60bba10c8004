// SPDX-License-Identifier: GPL-2.0-or-later
// What gpuctl stored about the next boot, and the kernel's arguments it is weighed with.
#include <cstdlib>
#include <exception>

#include "fuzz/fuzz.hpp"
#include "host/boot_policy.hpp"
#include "host/kernel_command_line.hpp"

using namespace gpuctl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const KernelCommandLine line{text};
  for (const auto* key : {"intel_iommu", "vfio-pci.ids", "gpuctl.boot"})
    (void)line.value(key), (void)line.list(key);
  try {
    const auto policies = boot_policies(text);
    if (boot_policies(to_json(policies)) != policies) std::abort();
    (void)to_json(at_boot(policies, line, "another"));
    (void)boot_actions(policies, line, Snapshot{}, "another");
  } catch (const std::exception&) {  // refused, as a damaged file is
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  BootPolicy policy;
  policy.gpu = {0, 1, 0, 0};
  policy.side = BootSide::last;
  policy.state = PolicyState::trial;
  policy.boot = "b";
  policy.functions = {{{0, 1, 0, 0}, {0x10de, 0x25a0, 0x1043, 0x1ccc, 0x030000}}};
  policy.migrated = {{"etc/modprobe.d/a.conf", "options vfio-pci ids=1:2\n", std::nullopt, false}};
  return {
      to_json({policy}),
      "quiet intel_iommu=on,sm_on \"dyndbg=file a +p\" vfio-pci.ids=10de:25a0,1002:ab30 gpuctl.boot=host"};
}
