// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/survey_problems.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "inventory/isolation.hpp"

namespace gpuctl {

Problem assigned_elsewhere(const Assignment& assignment) {
  return {"gpu-assigned", Severity::blocker, assignment.gpu.str(),
          fmt::format("The GPU {} is assigned to the virtual machine {}.", assignment.gpu.str(),
                      assignment.vm_name),
          fmt::format("Release it first: gpuctl release {}", assignment.gpu.str())};
}

Problem vms_not_told(const Gpu& gpu) {
  return {
      "vms-not-told", Severity::warning, gpu.address.str(),
      "libvirt does not tell of the other virtual machines in time, as while one of them starts: whether one "
      "of them wants this GPU is not known.",
      "Look again when it has started."};
}

Problems missing_modules(const Plan& plan, const std::filesystem::path& directory) {
  const auto load = std::ranges::find(plan, StepKind::load_module, &Step::kind);
  if (load == plan.end() || std::filesystem::exists(directory)) return {};
  return {{"kernel-modules-gone", Severity::blocker, load->subject,
           fmt::format(
               "The module {} must be loaded, but those of the running kernel are not installed any more.",
               load->subject),
           "Reboot into the kernel that is installed."}};
}

bool keeps_definition(const Problems& problems) {
  return std::ranges::any_of(problems, [](const auto& p) { return p.id == "vm-not-updated"; });
}

void apply_force(Problems& problems) {
  for (auto& p : problems)
    if (p.severity == Severity::blocker && may_be_forced(p.id)) p.severity = Severity::warning;
}

}  // namespace gpuctl
