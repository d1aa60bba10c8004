// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/vm_part.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "core/shell_word.hpp"
#include "vm/hostdev.hpp"
#include "vm/vm_performer.hpp"
#include "vm/vm_problems.hpp"

namespace gpuctl {
namespace {

constexpr std::uint16_t nvidia_vendor = 0x10de;

/// Those of `functions` that are in `claimed`, or those that are not.
std::vector<PciAddress> select(const std::vector<PciAddress>& functions,
                               const std::vector<PciAddress>& claimed, bool in) {
  std::vector<PciAddress> result;
  std::ranges::copy_if(functions, std::back_inserter(result),
                       [&](PciAddress f) { return (std::ranges::find(claimed, f) != claimed.end()) == in; });
  return result;
}

VmRequest vm_request(const Request& request, const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  VmRequest result{gpu.functions, request.live, request.force, request.start};
  result.nvidia = display != nullptr && display->id.vendor == nvidia_vendor;
  return result;
}

bool runs(const Vm& vm) { return vm.state == VmState::running || vm.state == VmState::paused; }

/// A start does nothing for such a domain: libvirt has it as started.
Problems standstill(const Vm& vm) {
  const auto name = shell_word(vm.name);
  if (vm.state == VmState::paused)
    return {{"vm-paused", Severity::blocker, vm.name, fmt::format("{} is paused.", vm.name),
             fmt::format("Let it go on: sudo virsh resume {}", name)}};
  if (vm.state == VmState::other && is_active(vm))
    return {{"vm-crashed", Severity::blocker, vm.name,
             fmt::format("{} has crashed, and is kept as it was then.", vm.name),
             fmt::format("End it, then start it: sudo virsh destroy {}", name)}};
  return {};
}

}  // namespace

bool has_gpu(const Vm& vm, const Gpu& gpu) {
  return runs(vm) && select(gpu.functions, claimed_functions(vm.live_xml), false).empty();
}

VmPart attach_vm_part(const Request& request, const Gpu& gpu, const Snapshot& snapshot, const Vm& target,
                      const std::vector<Vm>& all) {
  VmPart part{target.name, target.uuid, {}, {}};
  const auto missing = select(gpu.functions, claimed_functions(target.inactive_xml), false);
  const bool plug = request.live && runs(target);
  const auto live_missing =
      plug ? select(gpu.functions, claimed_functions(target.live_xml), false) : gpu.functions;
  if (!missing.empty())
    part.plan.push_back({StepKind::vm_add_devices, target.uuid, {}, address_list(missing)});
  if (plug && !live_missing.empty())
    part.plan.push_back({StepKind::vm_plug, target.uuid, {}, address_list(live_missing)});
  if (request.start && !runs(target)) part.plan.push_back({StepKind::vm_start, target.uuid, {}, {}});
  if (!has_gpu(target, gpu) || !part.plan.empty())
    part.problems = vm_problems(vm_request(request, gpu, snapshot), target, all);
  if (request.start) std::ranges::move(standstill(target), std::back_inserter(part.problems));
  return part;
}

VmPart release_vm_part(const Request& request, const Gpu& gpu, const Snapshot& snapshot, const Vm& target) {
  VmPart part{target.name, target.uuid, {}, {}};
  const auto defined = select(gpu.functions, own_functions(target.inactive_xml), true);
  const auto live = runs(target) ? select(gpu.functions, claimed_functions(target.live_xml), true)
                                 : std::vector<PciAddress>{};
  if (!live.empty()) part.problems = vm_release_problems(vm_request(request, gpu, snapshot), target);
  if (!live.empty()) part.plan.push_back({StepKind::vm_unplug, target.uuid, address_list(live), {}});
  if (!defined.empty())
    part.plan.push_back({StepKind::vm_remove_devices, target.uuid, address_list(defined), {}});
  return part;
}

}  // namespace gpuctl
