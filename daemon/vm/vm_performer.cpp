// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_performer.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "vm/domain_lock.hpp"
#include "vm/hostdev.hpp"
#include "vm/vm_fitness.hpp"

namespace gpuctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool holds(const std::vector<PciAddress>& functions, PciAddress function) {
  return std::ranges::find(functions, function) != functions.end();
}

std::vector<PciAddress> live_functions(const Vm& vm) {
  return vm.live_xml.empty() ? std::vector<PciAddress>{} : claimed_functions(vm.live_xml);
}

/// What a step names, whichever way round it is: the inverse of an adding step carries its list in `from`.
std::vector<PciAddress> functions_of(const Step& step) {
  return parse_address_list(step.to.empty() ? step.from : step.to);
}

void require_persistent(const Vm& vm) {
  if (!vm.persistent)
    throw Error(ErrorCode::not_supported,
                fmt::format("{} is a transient VM: it has no definition that could keep the GPU.", vm.name));
}

[[noreturn]] void refuse_running(const Vm& vm) {
  throw Error(ErrorCode::vm_running,
              fmt::format("{} is running; shut it down first, or use --live.", vm.name));
}

/// The image may be younger than the look at the VM, and its start cannot be taken back without losing it.
void require_no_saved_state(const Vm& vm) {
  for (const auto& problem : saved_state_problems(vm))
    throw Error(ErrorCode::blocked, fmt::format("{}: {} {}", problem.id, problem.message, problem.remedy));
}

void prove(bool holds_now, const Vm& vm, const std::string& what) {
  if (!holds_now)
    throw Error(ErrorCode::kernel_refused,
                fmt::format("libvirt reported success, but {} {}.", vm.name, what));
}

/// Nothing if the domain has been undefined.
std::optional<Vm> find(Hypervisor& hypervisor, const std::string& uuid) {
  try {
    return hypervisor.vm(uuid);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::vm_not_found) throw;
    return std::nullopt;
  }
}

}  // namespace

VmPerformer::VmPerformer(Hypervisor& hypervisor, VmPerformerOptions options)
    : hypervisor_(hypervisor), options_(options) {}

bool VmPerformer::performs(StepKind kind) {
  return kind >= StepKind::vm_add_devices && kind <= StepKind::vm_stop;
}

void VmPerformer::perform(const Step& step) {
  switch (step.kind) {
    case StepKind::vm_add_devices:
      return add_devices(step);
    case StepKind::vm_remove_devices:
      return remove_devices(step);
    case StepKind::vm_plug:
      return plug(step);
    case StepKind::vm_unplug:
      return unplug(step);
    case StepKind::vm_start:
      return start(step);
    case StepKind::vm_stop:
      return stop(step);
    default:
      throw Error(ErrorCode::internal, fmt::format("{} is no step of a VM.", to_string(step.kind)));
  }
}

void VmPerformer::add_devices(const Step& step) {
  const auto functions = functions_of(step);
  const DomainLock lock{options_.locks, hypervisor_.vm(step.subject)};
  const auto vm = hypervisor_.vm(step.subject);
  require_persistent(vm);
  const auto wanted = add_hostdevs(vm.inactive_xml, functions);
  if (wanted == vm.inactive_xml) return;
  if (is_active(vm) && !options_.live) refuse_running(vm);
  hypervisor_.define(wanted);
  const auto now = claimed_functions(hypervisor_.vm(step.subject).inactive_xml);
  prove(std::ranges::all_of(functions, [&](PciAddress a) { return holds(now, a); }), vm,
        "does not have the GPU");
}

void VmPerformer::remove_devices(const Step& step) {
  const auto functions = functions_of(step);
  const auto seen = find(hypervisor_, step.subject);
  if (!seen) return;
  const DomainLock lock{options_.locks, *seen};
  const auto vm = find(hypervisor_, step.subject);
  if (!vm || !vm->persistent) return;
  const auto wanted = remove_hostdevs(vm->inactive_xml, functions);
  if (wanted == vm->inactive_xml) return;
  const auto live = live_functions(*vm);
  const auto in_use = std::ranges::any_of(functions, [&](PciAddress a) { return holds(live, a); });
  if (in_use && !options_.live) refuse_running(*vm);
  hypervisor_.define(wanted);
  const auto now = own_functions(hypervisor_.vm(step.subject).inactive_xml);
  prove(std::ranges::none_of(functions, [&](PciAddress a) { return holds(now, a); }), *vm,
        "still has the GPU");
}

void VmPerformer::plug(const Step& step) {
  const auto functions = functions_of(step);
  const auto vm = hypervisor_.vm(step.subject);
  if (!is_active(vm)) throw Error(ErrorCode::kernel_refused, fmt::format("{} does not run.", vm.name));
  std::vector<PciAddress> plugged;
  try {
    for (const auto function : functions) {
      if (holds(live_functions(vm), function)) continue;
      hypervisor_.attach_live(step.subject, live_hostdev_xml(function));
      plugged.push_back(function);
    }
  } catch (const Error&) {
    // Half a GPU in the guest is of no use to anybody; what the guest keeps, the sentence thrown here does
    // not hide.
    unplug_functions(step.subject, plugged);
    throw;
  }
  const auto now = live_functions(hypervisor_.vm(step.subject));
  prove(std::ranges::all_of(functions, [&](PciAddress a) { return holds(now, a); }), vm,
        "does not have the GPU");
}

void VmPerformer::unplug_functions(const std::string& uuid, const std::vector<PciAddress>& functions) {
  const auto deadline = steady_clock::now() + options_.unplug_timeout;
  const auto vm = find(hypervisor_, uuid);
  if (!vm || vm->live_xml.empty()) return;
  const auto present = hostdevs(vm->live_xml);
  for (auto function = functions.rbegin(); function != functions.rend(); ++function) {
    const auto hostdev = std::ranges::find(present, *function, &Hostdev::function);
    if (hostdev == present.end()) continue;
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    hypervisor_.detach_live(uuid, hostdev_xml(*function), hostdev->alias,
                            static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  }
}

void VmPerformer::unplug(const Step& step) {
  const auto functions = functions_of(step);
  unplug_functions(step.subject, functions);
  const auto vm = find(hypervisor_, step.subject);
  if (!vm) return;
  const auto now = live_functions(*vm);
  prove(std::ranges::none_of(functions, [&](PciAddress a) { return holds(now, a); }), *vm,
        "still has the GPU");
}

/// One that somebody else has started meanwhile is not judged: the rollback would stop it.
void VmPerformer::start(const Step& step) {
  const auto before = hypervisor_.vm(step.subject);
  if (is_active(before)) return;
  require_no_saved_state(before);
  hypervisor_.start(step.subject);
  const auto vm = hypervisor_.vm(step.subject);
  prove(is_active(vm), vm, "does not run");
  const auto now = live_functions(vm);
  prove(std::ranges::all_of(claimed_functions(vm.inactive_xml), [&](PciAddress a) { return holds(now, a); }),
        vm, "runs without the devices of its definition");
}

void VmPerformer::stop(const Step& step) {
  if (!find(hypervisor_, step.subject)) return;
  hypervisor_.destroy(step.subject);
  const auto vm = find(hypervisor_, step.subject);
  if (vm) prove(!is_active(*vm), *vm, "still runs");
}

std::string address_list(const std::vector<PciAddress>& functions) {
  auto list = nlohmann::json::array();
  for (const auto& function : functions) list.push_back(function.str());
  return list.dump();
}

std::vector<PciAddress> parse_address_list(const std::string& json) {
  const auto list = nlohmann::json::parse(json, nullptr, false);
  std::vector<PciAddress> functions;
  for (const auto& item : list) {
    const auto address = item.is_string() ? PciAddress::parse(item.get<std::string>()) : std::nullopt;
    if (address) functions.push_back(*address);
  }
  if (!list.is_array() || functions.size() != list.size())
    throw Error(ErrorCode::invalid_argument, fmt::format("'{}' is no list of PCI addresses.", json));
  return functions;
}

}  // namespace gpuctl
