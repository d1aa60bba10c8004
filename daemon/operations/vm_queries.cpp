// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/vm_queries.hpp"

#include "operations/messages.hpp"

namespace gpuctl {
namespace {

/// A service with what it needs, for one call.
struct Session {
  explicit Session(const Platform& platform)
      : root(platform.root),
        hypervisor(platform.hypervisor()),
        service(*hypervisor, root, {platform.state_dir}) {}
  RootDir root;
  std::unique_ptr<Hypervisor> hypervisor;
  VmService service;
};

using messages::Json;

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json problem_list(const Problems& problems) {
  auto list = Json::array();
  for (const auto& p : problems) list.push_back(messages::problem(p));
  return list;
}

Json entry(const VmEntry& vm) {
  auto gpus = Json::array();
  for (const auto f : vm.functions) gpus.push_back(f.str());
  return {{"name", vm.name},
          {"uuid", vm.uuid},
          {"state", to_string(vm.state)},
          {"gpus", gpus},
          {"problems", problem_list(vm.problems)}};
}

}  // namespace

std::string virtual_machines(const Snapshot& snapshot, const Platform& platform) {
  auto list = Json::array();
  for (const auto& vm : Session(platform).service.list(snapshot)) list.push_back(entry(vm));
  return text(list);
}

std::string vm_check(const std::string& vm, const std::optional<Gpu>& gpu, const Snapshot& snapshot,
                     const Platform& platform) {
  return text(problem_list(
      Session(platform).service.check(vm, snapshot, gpu ? std::vector{*gpu} : std::vector<Gpu>{})));
}

std::string looking_glass_check(const std::string& vm, std::uint32_t uid, const Platform& platform) {
  return text(problem_list(Session(platform).service.check_looking_glass(vm, uid)));
}

std::string vm_setup(const std::string& vm, const SetupRequest& request, std::uint32_t uid,
                     const Snapshot& snapshot, const Platform& platform) {
  return Session(platform).service.setup(vm, request, snapshot, uid);
}

std::string vm_undo(const std::string& vm, bool dry_run, const Platform& platform) {
  return Session(platform).service.undo(vm, dry_run);
}

}  // namespace gpuctl
