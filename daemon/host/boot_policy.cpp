// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot_policy.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/quoted.hpp"
#include "host/checks/checks.hpp"

namespace gpuctl {
namespace {

/// Functions that are missing or of another card, in words; empty = it is the card that was meant.
std::string difference(const BootPolicy& policy, const Snapshot& snapshot) {
  for (const auto& pinned : policy.functions) {
    const auto* now = snapshot.find(pinned.address);
    if (now == nullptr) return fmt::format("{} is not there", pinned.address.str());
    if (now->id != pinned.id)
      return fmt::format("{} is {}, not {}", pinned.address.str(), now->id.ids(), pinned.id.ids());
  }
  return {};
}

Problem refusal(const char* id, PciAddress gpu, std::string message, std::string remedy) {
  return {id, Severity::warning, gpu.str(), std::move(message), std::move(remedy)};
}

Problem no_iommu(const Gpu& gpu, Severity severity) {
  return {"boot-policy-no-iommu", severity, gpu.address.str(),
          "there is no IOMMU, so no VM could use the GPU", "gpuctl doctor"};
}

void act_on(const BootPolicy& policy, bool vm, const Snapshot& snapshot, BootActions& result) {
  const auto* gpu = snapshot.gpu_of(policy.gpu);
  if (gpu == nullptr) {
    result.problems.push_back(refusal("boot-policy-gpu-missing", policy.gpu,
                                      "there is no GPU at this address now",
                                      "gpuctl boot clear " + policy.gpu.str()));
    return;
  }
  if (const auto other = difference(policy, snapshot); !other.empty()) {
    result.problems.push_back(
        refusal("boot-policy-card-changed", policy.gpu,
                fmt::format("the boot policy was made for another card: {}", other),
                fmt::format("look at `gpuctl list`, then `gpuctl boot set {} vm` anew", policy.gpu.str())));
    return;
  }
  if (!vm) {
    if (bound_state(*gpu, snapshot) == GpuState::vm) result.actions.push_back({policy.gpu, BootSide::host});
    return;
  }
  if (checks::stays_with_host(*gpu, snapshot)) {
    result.problems.push_back(refusal(
        "boot-policy-boot-display", policy.gpu,
        "this GPU shows the host's picture in this boot, so it stays with the host, or goes back to it",
        "gpuctl boot clear " + policy.gpu.str()));
    if (bound_state(*gpu, snapshot) == GpuState::vm) result.actions.push_back({policy.gpu, BootSide::host});
    return;
  }
  if (bound_state(*gpu, snapshot) == GpuState::vm) return;
  if (snapshot.host.iommu == "none") return result.problems.push_back(no_iommu(*gpu, Severity::warning));
  result.actions.push_back({policy.gpu, BootSide::vm});
}

bool covers(const BootPolicy& policy, PciAddress address) {
  return policy.gpu == address ||
         std::ranges::find(policy.functions, address, &PinnedFunction::address) != policy.functions.end();
}

/// lspci leaves the domain out where there is only one.
bool is_meant(const BootPolicy& policy, const std::string& argument) {
  for (const auto* domain : {"", "0000:"})
    if (const auto address = PciAddress::parse(domain + argument)) return covers(policy, *address);
  return argument.empty() || PciSlot::parse(argument) == policy.gpu.slot();
}

Error no_such_policy(const std::string& argument) {
  const auto what = argument.empty()
                        ? std::string{"No GPU has a boot policy"}
                        : fmt::format("No GPU and no boot policy fits {}", gpuctl::quoted(argument));
  return {ErrorCode::not_found, what + ".\ngpuctl boot show shows what there is."};
}

Error several_policies(const std::vector<PciAddress>& gpus) {
  std::string all;
  for (const auto gpu : gpus) all += (all.empty() ? "" : ", ") + gpu.str();
  return {ErrorCode::ambiguous_gpu, fmt::format("Several GPUs have a boot policy, say which one: {}.", all)};
}

}  // namespace

std::string_view to_string(BootSide side) {
  switch (side) {
    case BootSide::host:
      return "host";
    case BootSide::vm:
      return "vm";
    case BootSide::last:
      return "last";
  }
  return "host";
}

std::optional<BootSide> boot_side(std::string_view text) {
  for (const auto side : {BootSide::host, BootSide::vm, BootSide::last})
    if (text == to_string(side)) return side;
  return std::nullopt;
}

std::string_view to_string(PolicyState state) {
  switch (state) {
    case PolicyState::pending:
      return "pending";
    case PolicyState::trial:
      return "trial";
    case PolicyState::confirmed:
      return "confirmed";
    case PolicyState::reverted:
      return "reverted";
  }
  return "reverted";
}

BootPolicy* find(BootPolicies& policies, PciAddress gpu) {
  const auto it = std::ranges::find(policies, gpu, &BootPolicy::gpu);
  return it == policies.end() ? nullptr : &*it;
}

PciAddress gpu_with_policy(const BootPolicies& policies, const std::string& argument) {
  std::vector<PciAddress> gpus;
  for (const auto& policy : policies)
    if (is_meant(policy, argument)) gpus.push_back(policy.gpu);
  if (gpus.empty()) throw no_such_policy(argument);
  if (gpus.size() > 1) throw several_policies(gpus);
  return gpus.front();
}

Problems boot_policy_problems(const Gpu& gpu, BootSide side, const Snapshot& snapshot) {
  Problems found;
  if (side == BootSide::host) return found;
  if (checks::stays_with_host(gpu, snapshot))
    found.push_back(
        {"boot-policy-boot-display", Severity::blocker, gpu.address.str(),
         "the host's picture comes from this GPU: without it the machine would boot into the dark",
         "choose another GPU, or let the screens and the firmware use another one"});
  if (snapshot.host.iommu == "none") found.push_back(no_iommu(gpu, Severity::blocker));
  return found;
}

BootPolicy new_policy(const Gpu& gpu, BootSide side, const Snapshot& snapshot, const std::string& boot_id) {
  BootPolicy policy{
      gpu.address, side,    side == BootSide::host ? PolicyState::confirmed : PolicyState::pending,
      {},          boot_id, BootSide::host,
      false,       {},      false};
  for (const auto address : gpu.functions)
    if (const auto* function = snapshot.find(address)) policy.functions.push_back({address, function->id});
  // "last" begins with what is: its first boot looks like this one.
  if (side == BootSide::last && bound_state(gpu, snapshot) == GpuState::vm) policy.last = BootSide::vm;
  return policy;
}

bool kill_switch(const KernelCommandLine& command_line) {
  return command_line.value("gpuctl.boot") == "host";
}

BootPolicies at_boot(BootPolicies policies, const KernelCommandLine& command_line,
                     const std::string& boot_id) {
  for (auto& policy : policies) {
    const bool new_boot = policy.boot != boot_id;
    if (policy.state == PolicyState::trial && new_boot) policy.state = PolicyState::reverted;
    if (policy.state != PolicyState::pending || !new_boot) continue;
    policy.state = kill_switch(command_line) ? PolicyState::reverted : PolicyState::trial;
    policy.boot = boot_id;
  }
  return policies;
}

BootPolicies at_shutdown(BootPolicies policies, const Snapshot& snapshot) {
  for (auto& policy : policies) {
    if (policy.side != BootSide::last) continue;
    const auto* gpu = snapshot.gpu_of(policy.gpu);
    if (gpu == nullptr || !difference(policy, snapshot).empty()) continue;
    policy.last = bound_state(*gpu, snapshot) == GpuState::vm ? BootSide::vm : BootSide::host;
  }
  return policies;
}

bool wants_vm(const BootPolicy& policy, const std::string& boot_id) {
  const bool in_force = policy.state == PolicyState::confirmed ||
                        (policy.state == PolicyState::trial && policy.boot == boot_id);
  return in_force &&
         (policy.side == BootSide::vm || (policy.side == BootSide::last && policy.last == BootSide::vm));
}

BootActions boot_actions(const BootPolicies& policies, const KernelCommandLine& command_line,
                         const Snapshot& snapshot, const std::string& boot_id) {
  BootActions result;
  if (kill_switch(command_line)) return result;
  for (const auto& policy : policies) {
    const bool vm = wants_vm(policy, boot_id);
    const bool host = policy.side == BootSide::host && policy.state == PolicyState::confirmed;
    if (vm || host) act_on(policy, vm, snapshot, result);
  }
  return result;
}

}  // namespace gpuctl
