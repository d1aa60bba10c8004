// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/host_service.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"
#include "host/boot_rules.hpp"
#include "host/boot_store.hpp"
#include "host/doctor.hpp"
#include "host/migration.hpp"
#include "host/report.hpp"

namespace gpuctl {
namespace {

void require_unblocked(const Problems& problems) {
  std::string text;
  for (const auto& p : problems)
    if (p.severity == Severity::blocker)
      text += fmt::format("{}{} ({})", text.empty() ? "" : "; ", p.message, p.remedy);
  if (!text.empty()) throw Error(ErrorCode::blocked, text);
}

std::string outcome(const BootPolicy& policy) {
  const auto gpu = policy.gpu.str();
  switch (policy.state) {
    case PolicyState::pending:
      return fmt::format(
          "{} goes to \"{}\" at the next boot, on trial: `gpuctl boot confirm {}` after that keeps it", gpu,
          to_string(policy.side), gpu);
    case PolicyState::trial:
      return fmt::format("{} is on trial in this boot: `gpuctl boot confirm {}` keeps it", gpu, gpu);
    case PolicyState::confirmed:
      return fmt::format("{} goes to \"{}\" at every boot", gpu, to_string(policy.side));
    case PolicyState::reverted:
      break;
  }
  return fmt::format("the policy of {} was not confirmed and has no effect", gpu);
}

std::string no_policy(PciAddress gpu) { return fmt::format("{} has no boot policy", gpu.str()); }

bool initramfs_behind(const BootPolicies& policies) {
  return std::ranges::any_of(policies, &BootPolicy::initramfs_behind);
}

Problem lines_left(const BootPolicy& policy) {
  const auto& path = policy.migrated.front().path;
  return {
      "boot-policy-lines-left", Severity::warning, policy.gpu.str(),
      fmt::format("nobody confirmed the policy, but lines of /{} that were put out of action for it are not "
                  "back: somebody has changed the file since, or it cannot be written",
                  path),
      fmt::format("take \"# gpuctl boot policy: \" away in front of the lines of /{} that are wanted back, "
                  "then `gpuctl boot clear {}`",
                  path, policy.gpu.str())};
}

Problem behind(const BootPolicy& policy) {
  return {
      "boot-policy-initramfs-behind", Severity::info, policy.gpu.str(),
      "nobody confirmed the policy, but the initramfs may still have what was written for it: the rule, or "
      "lines of /etc/modprobe.d that are out of action",
      fmt::format("`gpuctl boot clear {}` makes the initramfs anew", policy.gpu.str())};
}

/// What the boot could not undo of a policy that nobody confirmed.
Problems not_undone(const BootPolicies& policies, const std::string& initramfs_tool) {
  Problems found;
  for (const auto& policy : policies) {
    if (policy.state != PolicyState::reverted) continue;
    if (!policy.migrated.empty())
      found.push_back(lines_left(policy));
    else if (policy.initramfs_behind && !initramfs_tool.empty())
      found.push_back(behind(policy));
  }
  return found;
}

/// In its trial nobody had told that the rule comes too late, or it does although it is in the initramfs.
Problem late(const RootDir& root, const BootPolicy& policy, const BootPolicies& all) {
  const auto gpu = policy.gpu.str();
  const std::string message =
      "a host driver had this GPU before the boot policy's rule: the initramfs holds that driver";
  if (!for_initramfs(root, policy))
    return {"boot-policy-late", Severity::info, gpu,
            message + ", and the GPU is moved before the display manager starts", ""};
  if (!in_initramfs(root, policy, all))
    return {"boot-policy-late", Severity::info, gpu, message,
            fmt::format("gpuctl boot confirm {} puts the rule there too", gpu)};
  const auto obstacle = initramfs_obstacle(root, policy);
  return {"boot-policy-late", Severity::warning, gpu, message + ", although the rule is there too",
          obstacle.empty()
              ? "take that driver out of the modules that the initramfs is told to load, and make it anew"
              : obstacle};
}

/// "" when nothing is left.
std::string not_given_back(const FileEdits& left) {
  if (left.empty()) return {};
  return fmt::format(
      ", but somebody has changed /{} since: take \"# gpuctl boot policy: \" away in front of the lines that "
      "are "
      "wanted back",
      left.front().path);
}

Error boot_not_had(PciAddress gpu) {
  return {ErrorCode::invalid_argument,
          fmt::format("the policy of {} has not had its boot yet: reboot, look, then confirm", gpu.str())};
}

/// This is the boot on trial, but what starts it comes after whoever asks so early.
Error boot_not_begun(PciAddress gpu) {
  return {
      ErrorCode::busy,
      fmt::format("gpuctl-boot.service has not begun to apply the policy of {} in this boot; try again in "
                  "a moment, and look at `systemctl status gpuctl-boot` if that lasts",
                  gpu.str())};
}

/// Asking again for what is in force changes nothing; after a revert it is a new try.
bool holds_already(const BootPolicy& old, const BootPolicy& wanted) {
  return old.side == wanted.side && old.functions == wanted.functions && old.state != PolicyState::reverted;
}

}  // namespace

HostService::HostService(const RootDir& root, SystemdControl& systemd, HostPaths paths)
    : root_(root), systemd_(systemd), paths_(paths), arguments_(root, systemd, std::move(paths)) {}

BootPolicies HostService::boot_policies() const { return BootStore{paths_.state}.load(); }

std::string HostService::told(const BootPolicy& policy) const {
  const auto obstacle = initramfs_obstacle(root_, policy);
  return obstacle.empty() ? outcome(policy) : fmt::format("{}, but {}", outcome(policy), obstacle);
}

/// An initramfs has its own copy of /etc/modprobe.d: `also` are edits there.
ApplyRequest HostService::files_request(const BootPolicies& before, const BootPolicies& after,
                                        const FileEdits& also) const {
  auto request = boot_files_request(root_, after);
  const auto tool = initramfs_tool(root_);
  if ((!also.empty() || initramfs_behind(before)) && request.tools.empty() && !tool.empty())
    request.tools.push_back({tool, {}});
  std::ranges::copy(also, std::back_inserter(request.edits));
  return request;
}

void HostService::carry_out(const ApplyRequest& request) {
  if (request != ApplyRequest{}) apply_by_systemd(root_, systemd_, paths_, "boot-policy", request);
}

/// A tool that fails may have written an initramfs before: one that the files no longer agree with.
BootPolicies HostService::perhaps_behind(BootPolicies policies, const ApplyRequest& request) {
  for (auto& policy : policies) policy.initramfs_behind = policy.initramfs_behind || !request.tools.empty();
  return policies;
}

/// The store is the truth, and written first: begin_boot() brings rules into line with it after any crash.
void HostService::commit(const BootPolicies& before, BootPolicies after, const FileEdits& also) {
  const BootStore store{paths_.state};
  for (auto& policy : after) policy.initramfs_behind = false;
  store.save(after);
  const auto request = files_request(before, after, also);
  try {
    carry_out(request);
  } catch (const Error&) {
    store.save(perhaps_behind(before, request));
    throw;
  }
}

std::string HostService::clear_boot_policy(PciAddress gpu) {
  auto policies = boot_policies();
  const auto before = policies;
  const auto* policy = find(policies, gpu);
  if (policy == nullptr) return no_policy(gpu);
  const auto migrated = policy->migrated;
  std::erase_if(policies, [&](const auto& p) { return p.gpu == gpu; });
  commit(before, policies, give_back(root_, migrated));
  return fmt::format("{} has no boot policy any more: it starts with the host's driver{}", gpu.str(),
                     not_given_back(still_migrated(root_, migrated)));
}

std::string HostService::set_is_settled(const Gpu& gpu, const std::string& side, bool migrate,
                                        const Snapshot& snapshot) const {
  auto policies = boot_policies();
  const auto* old = find(policies, gpu.address);
  if (side == "clear") return old == nullptr ? no_policy(gpu.address) : "";
  const auto wanted = boot_side(side);
  if (!wanted)
    throw Error(ErrorCode::invalid_argument, fmt::format("\"{}\" is not one of vm, host, last, clear", side));
  require_unblocked(boot_policy_problems(gpu, *wanted, snapshot));
  const auto policy = new_policy(gpu, *wanted, snapshot, read_boot_id(root_));
  return old != nullptr && holds_already(*old, policy) && !migrate ? told(*old) : "";
}

std::string HostService::set_boot_policy(const Gpu& gpu, const std::string& side, bool migrate,
                                         const Snapshot& snapshot) {
  if (side == "clear") return clear_boot_policy(gpu.address);
  if (auto settled = set_is_settled(gpu, side, migrate, snapshot); !settled.empty()) return settled;
  auto policies = boot_policies();
  const auto before = policies;
  auto policy = new_policy(gpu, boot_side(side).value(), snapshot, read_boot_id(root_));
  auto* old = find(policies, gpu.address);
  if (old != nullptr) policy.migrated = old->migrated;
  const auto edits = migrate ? migration(root_, gpu, snapshot) : FileEdits{};
  std::ranges::copy(edits, std::back_inserter(policy.migrated));
  if (old != nullptr)
    *old = policy;
  else
    policies.push_back(policy);
  commit(before, policies, edits);
  return outcome(policy);
}

std::string HostService::confirm_is_settled(const Gpu& gpu) const {
  auto policies = boot_policies();
  const auto* policy = find(policies, gpu.address);
  if (policy == nullptr)
    throw Error(ErrorCode::not_found, no_policy(gpu.address) + "\ngpuctl boot show shows what there is.");
  const bool this_boot = policy->boot == read_boot_id(root_);
  if (policy->state == PolicyState::pending)
    throw this_boot ? boot_not_had(gpu.address) : boot_not_begun(gpu.address);
  const bool other_boot = policy->state == PolicyState::trial && !this_boot;
  if (policy->state == PolicyState::reverted || other_boot)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the policy of {} was not confirmed in its boot and has reverted; set it again",
                            gpu.address.str()));
  const bool kept =
      policy->state == PolicyState::confirmed && boot_files_request(root_, policies) == ApplyRequest{};
  return kept ? told(*policy) : "";
}

std::string HostService::confirm_boot_policy(const Gpu& gpu) {
  if (auto settled = confirm_is_settled(gpu); !settled.empty()) return settled;
  auto policies = boot_policies();
  const auto before = policies;
  auto* policy = find(policies, gpu.address);
  policy->state = PolicyState::confirmed;
  commit(before, policies);
  return told(*policy);
}

BootActions HostService::apply_boot_policy(const Snapshot& snapshot) {
  auto policies = boot_policies();
  const auto before = policies;
  auto result =
      boot_actions(policies, KernelCommandLine{root_.text("proc/cmdline")}, snapshot, read_boot_id(root_));
  for (const auto& action : result.actions) {
    auto* policy = find(policies, action.gpu);
    if (policy == nullptr || action.to != BootSide::vm) continue;
    const bool known = std::exchange(policy->late, true);
    if (policy->state == PolicyState::confirmed && (!known || for_initramfs(root_, *policy)))
      result.problems.push_back(late(root_, *policy, policies));
  }
  if (policies != before) BootStore{paths_.state}.save(policies);
  std::ranges::move(not_undone(policies, initramfs_tool(root_)), std::back_inserter(result.problems));
  return result;
}

std::string HostService::report(const Caller& caller,
                                const std::function<Snapshot(const RootDir&)>& scan) const {
  Recording recording;
  RootDir recorded{root_.path()};
  recorded.record_to(&recording);
  const auto snapshot = scan(recorded);
  const auto findings = diagnose(recorded, snapshot, caller);
  static_cast<void>(find_boot_loader(recorded).configured(recorded));
  return gpuctl::report(root_, recording, caller, findings);
}

}  // namespace gpuctl
