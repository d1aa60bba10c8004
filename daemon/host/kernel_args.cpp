// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/kernel_args.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.hpp"
#include "host/boot_files.hpp"
#include "host/kernel_args_record.hpp"

namespace gpuctl {
namespace {

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

ArgumentChange still_missing(const std::vector<std::string>& configured, ArgumentChange change) {
  std::erase_if(change.add, [&](const auto& a) { return has(configured, a); });
  std::erase_if(change.remove, [&](const auto& r) { return !has(configured, r); });
  return change;
}

std::string advice(const IommuSupport& support, bool configured, const BootLoader& loader) {
  switch (support.stage) {
    case IommuStage::active:
      return "the IOMMU is on; no kernel argument is needed";
    case IommuStage::not_in_firmware:
      return fmt::format(
          "{} is off in the firmware setup (no {}): switch it on there, a kernel argument does not help",
          support.intel ? "VT-d" : "AMD-Vi", support.table);
    case IommuStage::failed:
      return "the kernel should use the IOMMU and does not; its log says why (`gpuctl doctor`)";
    default:
      break;
  }
  if (configured) return "the arguments are set: reboot to make them count";
  return loader.id() == by_hand().id() ? "the IOMMU is off; `gpuctl kernel-args plan` says what to do by hand"
                                       : "the IOMMU is off; `gpuctl kernel-args enable` sets it on";
}

}  // namespace

std::string KernelArgumentsPlan::text() const {
  if (empty()) return {};
  auto text = unified_diff(config.request.edits) + config.tool_diff;
  for (const auto& tool : config.request.tools) text += fmt::format("# run: {}\n", command_text(tool));
  return text;
}

KernelArguments::KernelArguments(const RootDir& root, SystemdControl& systemd, HostPaths paths)
    : root_(root), systemd_(systemd), paths_(std::move(paths)) {}

/// rpm-ostree writes the entry of a staged deployment while the system goes down; until then only gpuctl's
/// record tells what is in it.
std::vector<std::string> KernelArguments::configured(const BootLoader& loader) const {
  auto arguments = loader.configured(root_);
  if (loader.id() != rpm_ostree().id() || !root_.exists("run/ostree/staged-deployment")) return arguments;
  for (const auto& record : read_records(record_file(paths_.state)))
    arguments = changed(std::move(arguments), record.change);
  return arguments;
}

KernelArgumentsState KernelArguments::state() const {
  const KernelCommandLine running{root_.text("proc/cmdline")};
  const auto& loader = find_boot_loader(root_);
  const auto support = read_iommu_support(root_, running);
  KernelArgumentsState state;
  state.mechanism = loader.id();
  state.description = loader.description();
  state.current = running.arguments();
  state.configured = configured(loader);
  const auto need = needed_iommu_arguments(support);
  state.needed = still_missing(state.configured, need);
  state.advice = advice(support, !need.empty() && state.needed.empty(), loader);
  const auto done = read_records(record_file(paths_.state));
  state.changed_by_gpuctl = !done.empty();
  state.reboot_needed =
      std::ranges::any_of(done, [&](const auto& r) { return !fulfils(state.current, r.change); });
  return state;
}

KernelArgumentsPlan KernelArguments::plan(const KernelArgumentsWish& wish) const {
  const KernelCommandLine running{root_.text("proc/cmdline")};
  KernelArgumentsPlan planned;
  planned.loader = &find_boot_loader(root_);
  const auto arguments = configured(*planned.loader);
  auto change = needed_iommu_arguments(read_iommu_support(root_, running));
  if (wish.passthrough) change.add.emplace_back("iommu=pt");
  if (wish.drop_vfio_ids)
    for (const auto& argument : arguments)
      if (argument.starts_with("vfio-pci.ids=") || argument.starts_with("vfio_pci.ids="))
        change.remove.push_back(argument);
  planned.change = still_missing(arguments, change);
  if (!planned.change.empty()) planned.config = planned.loader->plan(root_, planned.change);
  if (!planned.config.obstacle.empty()) throw Error(ErrorCode::not_supported, planned.config.obstacle);
  return planned;
}

std::string KernelArguments::nothing_to_enable(const KernelArgumentsWish& wish) const {
  return plan(wish).empty() ? "nothing to change: " + state().advice : "";
}

std::string KernelArguments::nothing_to_undo() const {
  return read_records(record_file(paths_.state)).empty()
             ? "nothing to undo: gpuctl has changed no kernel arguments"
             : "";
}

}  // namespace gpuctl
