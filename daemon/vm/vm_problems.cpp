// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_problems.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/shell_word.hpp"
#include "vm/domain_facts.hpp"
#include "vm/hostdev.hpp"
#include "vm/vm_fitness.hpp"

namespace gpuctl {
namespace {

using Functions = std::vector<PciAddress>;

bool any_of_them(const Functions& functions, const Functions& claimed) {
  return std::ranges::any_of(functions, [&](PciAddress a) { return std::ranges::count(claimed, a) > 0; });
}

bool all_of_them(const Functions& functions, const Functions& claimed) {
  return std::ranges::all_of(functions, [&](PciAddress a) { return std::ranges::count(claimed, a) > 0; });
}

Functions live_claims(const Vm& vm) {
  return vm.live_xml.empty() ? Functions{} : claimed_functions(vm.live_xml);
}

Problem running(const Vm& vm) {
  return {"vm-running", Severity::blocker, vm.name, fmt::format("{} is running.", vm.name),
          "shut the VM down first, or use --live to change it while it runs"};
}

void add_claim(const Functions& functions, const Vm& vm, Problems& found) {
  if (is_active(vm) && any_of_them(functions, live_claims(vm))) {
    found.push_back({"gpu-in-running-vm", Severity::blocker, vm.name,
                     fmt::format("{} is running and has the GPU.", vm.name),
                     fmt::format("shut {} down and release the GPU first", vm.name)});
  } else if (any_of_them(functions, own_functions(vm.inactive_xml))) {
    found.push_back(
        {"leftover-hostdev", Severity::warning, vm.name,
         fmt::format("The definition of {} still has the GPU from an earlier attach.", vm.name),
         fmt::format("whichever VM starts first gets it; 'gpuctl release' takes it out of the VM that had it "
                     "last, 'sudo virsh edit {}' out of this one",
                     shell_word(vm.name))});
  } else if (any_of_them(functions, claimed_functions(vm.inactive_xml))) {
    found.push_back(
        {"gpu-in-other-vm", Severity::warning, vm.name,
         fmt::format("The definition of {} has the GPU too; it is shut off.", vm.name),
         fmt::format("the two VMs cannot run at once; remove it from {} if it is not wanted there",
                     vm.name)});
  }
}

void add_state(const VmRequest& request, const Vm& vm, Problems& found) {
  if (request.uri.find("/session") != std::string::npos)
    found.push_back({"vm-session", Severity::blocker, vm.name,
                     "VMs of a user session may neither open VFIO devices nor lock their memory.",
                     "define the VM at qemu:///system"});
  if (!vm.persistent)
    found.push_back({"vm-transient", Severity::blocker, vm.name,
                     fmt::format("{} is transient: it has no definition that could keep the GPU.", vm.name),
                     "define it with 'sudo virsh define'"});
  if (is_active(vm) && !request.live && !all_of_them(request.functions, live_claims(vm)))
    found.push_back(running(vm));
}

/// Whoever starts it himself may remove the image before.
void add_saved_state(const VmRequest& request, const Vm& vm, Problems& found) {
  for (auto& problem : saved_state_problems(vm)) {
    if (!request.start) problem.severity = Severity::warning;
    found.push_back(std::move(problem));
  }
}

void add_machine(const VmRequest& request, const Vm& vm, const DomainFacts& facts, Problems& found) {
  for (auto& problem : machine_problems(vm.name, facts)) found.push_back(std::move(problem));
  if (request.live && facts.pci_express && is_active(vm)) {
    const auto free = free_hotplug_ports(vm.live_xml);
    if (free < request.functions.size())
      found.push_back(
          {"vm-no-hotplug-port", Severity::blocker, vm.name,
           fmt::format("{} needs {} free PCI Express root ports to be plugged into and has {}.", vm.name,
                       request.functions.size(), free),
           "add <controller type='pci' model='pcie-root-port'/> while the VM is off, or attach without "
           "--live"});
  }
}

void add_present_claims(const VmRequest& request, const Vm& vm, Problems& found) {
  Functions theirs;
  for (const auto& hostdev : hostdevs(vm.inactive_xml)) {
    if (hostdev.own || std::ranges::count(request.functions, hostdev.function) == 0) continue;
    theirs.push_back(hostdev.function);
    if (hostdev.managed)
      found.push_back(
          {"vm-managed-hostdev", Severity::info, hostdev.function.str(),
           fmt::format("The definition of {} has it with managed='yes'; it stays as it is.", vm.name), ""});
  }
  if (!theirs.empty() && !all_of_them(request.functions, theirs))
    found.push_back({"vm-partial-gpu", Severity::warning, vm.name,
                     fmt::format("The definition of {} has only some functions of the GPU.", vm.name),
                     "gpuctl adds the missing ones; some guest drivers want them all in one slot"});
}

bool is_multifunction_guest(const Vm& vm, const Functions& functions) {
  return std::ranges::any_of(functions, [&](PciAddress a) { return shares_guest_slot(vm.live_xml, a); });
}

}  // namespace

Problems vm_problems(const VmRequest& request, const Vm& target, const std::vector<Vm>& all) {
  Problems found;
  add_state(request, target, found);
  add_saved_state(request, target, found);
  add_machine(request, target, domain_facts(target.inactive_xml), found);
  add_present_claims(request, target, found);
  for (auto& problem : claim_problems(request.functions, all, target.uuid))
    found.push_back(std::move(problem));
  return found;
}

Problems claim_problems(const Functions& functions, const std::vector<Vm>& all, const std::string& except) {
  Problems found;
  for (const auto& vm : all) {
    if (vm.uuid == except) continue;
    try {
      add_claim(functions, vm, found);
    } catch (const Error& error) {
      found.push_back({"vm-unreadable", Severity::warning, vm.name, error.what(),
                       "gpuctl cannot tell whether this VM wants the GPU; look with 'sudo virsh edit'"});
    }
  }
  return found;
}

Problems vm_release_problems(const VmRequest& request, const Vm& holder) {
  if (!is_active(holder) || !any_of_them(request.functions, live_claims(holder))) return {};
  if (!request.live) return {running(holder)};
  Problems found;
  if (is_multifunction_guest(holder, request.functions))
    found.push_back({"vm-multifunction", Severity::blocker, holder.name,
                     "libvirt cannot unplug a device of several functions from a running VM.",
                     fmt::format("shut {} down, then release", holder.name)});
  if (request.nvidia && !request.force)
    found.push_back({"vm-nvidia-unplug", Severity::blocker, holder.name,
                     "NVIDIA's guest drivers do not support the GPU being unplugged; the guest may crash.",
                     fmt::format("shut {} down, or use --force", holder.name)});
  return found;
}

}  // namespace gpuctl
