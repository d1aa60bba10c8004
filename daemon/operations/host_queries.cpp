// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/host_queries.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "host/device_users.hpp"
#include "host/doctor.hpp"
#include "operations/messages.hpp"
#include "vm/hostdev.hpp"

namespace gpuctl {
namespace {

using messages::Json;

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json user(const DeviceUser& u) {
  return {{"pid", static_cast<unsigned>(u.pid)},
          {"command", u.command.empty() ? u.comm : u.command},
          {"uid", u.uid},
          {"unit", u.unit()},
          {"session", u.owner.session},
          {"what", u.what},
          {"via", to_string(u.via)},
          {"remedy", u.remedy}};
}

/// Groups that the user database gives this user; a session may have begun before it joined one of them.
std::vector<gid_t> groups_of(uid_t uid) {
  const auto* entry = ::getpwuid(uid);
  if (entry == nullptr) return {};
  int count = 256;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  ::getgrouplist(entry->pw_name, entry->pw_gid, groups.data(), &count);
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return groups;
}

/// Functions of GPUs that the definition, or the running domain, has.
std::vector<std::string> gpus_of(const Vm& vm, const Snapshot& snapshot) {
  auto claimed = claimed_functions(vm.inactive_xml.empty() ? vm.live_xml : vm.inactive_xml);
  std::erase_if(claimed, [&](PciAddress a) {
    const auto* gpu = snapshot.gpu_of(a);
    return gpu == nullptr || gpu->address != a;
  });
  std::vector<std::string> result;
  for (const auto address : claimed) result.push_back(address.str());
  return result;
}

}  // namespace

std::string users_of(const std::vector<PciAddress>& functions, std::uint32_t uid, const Platform& platform) {
  const RootDir root(platform.root);
  auto list = Json::array();
  for (const auto& u : visible_to(uid, device_users(root, functions))) list.push_back(user(u));
  return text(list);
}

std::string virtual_machines(const Snapshot& snapshot, const Platform& platform) {
  auto list = Json::array();
  for (const auto& vm : platform.hypervisor()->vms())
    list.push_back({{"name", vm.name},
                    {"uuid", vm.uuid},
                    {"state", to_string(vm.state)},
                    {"gpus", gpus_of(vm, snapshot)},
                    {"problems", Json::array()}});
  return text(list);
}

std::string diagnosis(const Snapshot& snapshot, std::uint32_t uid, const Platform& platform) {
  const RootDir root(platform.root);
  auto list = Json::array();
  for (const auto& finding : diagnose(root, snapshot, {uid, groups_of(uid)}))
    list.push_back(messages::problem(finding));
  return text(list);
}

}  // namespace gpuctl
