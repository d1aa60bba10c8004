// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/host_changes.hpp"

#include "host/host_service.hpp"
#include "host/host_state.hpp"
#include "inventory/scan.hpp"
#include "operations/configuring.hpp"
#include "operations/messages.hpp"

namespace gpuctl {
namespace {

using messages::Json;

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// A service with what it needs, for one call.
struct Session {
  explicit Session(const Platform& platform)
      : root(platform.root),
        systemd(platform.systemd_control(Configuring::unit_deadline)),
        service(root, *systemd, {platform.state_dir, platform.runtime_dir}) {}
  RootDir root;
  std::unique_ptr<SystemdControl> systemd;
  HostService service;
};

std::string_view ids_of(const BootPolicy& policy, std::string& storage) {
  for (const auto& f : policy.functions)
    if (f.address == policy.gpu) storage = f.id.ids();
  return storage;
}

Json policy_json(const BootPolicy& policy, bool disabled) {
  std::string ids;
  return {{"gpu", policy.gpu.str()},
          {"side", to_string(policy.side)},
          {"state", to_string(policy.state)},
          {"ids", ids_of(policy, ids)},
          {"late", policy.late},
          {"disabled", disabled}};
}

}  // namespace

std::string kernel_arguments(const Platform& platform) {
  const auto state = Session(platform).service.kernel_arguments();
  return text({{"mechanism", state.mechanism},
               {"description", state.description},
               {"current", state.current},
               {"configured", state.configured},
               {"add", state.needed.add},
               {"remove", state.needed.remove},
               {"advice", state.advice},
               {"changed-by-gpuctl", state.changed_by_gpuctl},
               {"reboot-needed", state.reboot_needed}});
}

std::string plan_kernel_arguments(const KernelArgumentsWish& wish, const Platform& platform) {
  return Session(platform).service.plan_kernel_arguments(wish);
}

std::string enable_is_settled(const KernelArgumentsWish& wish, const Platform& platform) {
  return Session(platform).service.enable_is_settled(wish);
}

std::string undo_is_settled(const Platform& platform) { return Session(platform).service.undo_is_settled(); }

std::string set_is_settled(const Gpu& gpu, const std::string& side, bool migrate, const Snapshot& snapshot,
                           const Platform& platform) {
  return Session(platform).service.set_is_settled(gpu, side, migrate, snapshot);
}

std::string confirm_is_settled(const Gpu& gpu, const Platform& platform) {
  return Session(platform).service.confirm_is_settled(gpu);
}

std::string enable_kernel_arguments(const KernelArgumentsWish& wish, const Platform& platform) {
  return Session(platform).service.enable_kernel_arguments(wish);
}

std::string undo_kernel_arguments(const Platform& platform) {
  return Session(platform).service.undo_kernel_arguments();
}

std::string boot_policies(const Platform& platform) {
  const Session session(platform);
  const bool disabled = kill_switch(KernelCommandLine{session.root.text("proc/cmdline")});
  auto list = Json::array();
  for (const auto& policy : session.service.boot_policies()) list.push_back(policy_json(policy, disabled));
  return text(list);
}

std::string set_boot_policy(const Gpu& gpu, const std::string& side, bool migrate, const Snapshot& snapshot,
                            const Platform& platform) {
  return Session(platform).service.set_boot_policy(gpu, side, migrate, snapshot);
}

std::string gpu_with_policy(const std::string& argument, const Platform& platform) {
  return gpu_with_policy(Session(platform).service.boot_policies(), argument).str();
}

std::string clear_boot_policy(PciAddress gpu, const Platform& platform) {
  return Session(platform).service.clear_boot_policy(gpu);
}

std::string confirm_boot_policy(const Gpu& gpu, const Platform& platform) {
  return Session(platform).service.confirm_boot_policy(gpu);
}

std::string apply_boot_policy(const Snapshot& snapshot, const Platform& platform) {
  const auto found = Session(platform).service.apply_boot_policy(snapshot);
  auto actions = Json::array();
  for (const auto& a : found.actions) actions.push_back({{"gpu", a.gpu.str()}, {"to", to_string(a.to)}});
  auto problems = Json::array();
  for (const auto& p : found.problems) problems.push_back(messages::problem(p));
  return text({{"actions", actions}, {"problems", problems}});
}

BootActions boot_actions_from(const std::string& answer) {
  const auto json = Json::parse(answer);
  BootActions found;
  for (const auto& a : json.at("actions"))
    found.actions.push_back({PciAddress::parse(a.at("gpu").get<std::string>()).value(),
                             boot_side(a.at("to").get<std::string>()).value()});
  for (const auto& p : json.at("problems")) found.problems.push_back(messages::problem(p));
  return found;
}

/// Names and module tables are left out: what they tell is not of this machine, and no finding rests on them.
std::string report(const Caller& caller, const Platform& platform) {
  return Session(platform).service.report(
      caller, [](const RootDir& root) { return scan(root, {.host = read_host_state}); });
}

}  // namespace gpuctl
