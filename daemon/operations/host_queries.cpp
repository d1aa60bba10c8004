// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/host_queries.hpp"

#include <nlohmann/json.hpp>

#include "host/device_users.hpp"
#include "host/doctor.hpp"
#include "operations/messages.hpp"

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
          {"container", u.owner.container},
          {"machine", u.owner.machine},
          {"what", u.what},
          {"via", to_string(u.via)},
          {"lets-go", u.will_let_go},
          {"shared", u.shared},
          {"remedy", u.remedy}};
}

std::string list(const DeviceUsers& users) {
  auto all = Json::array();
  for (const auto& u : users) all.push_back(user(u));
  return text(all);
}

}  // namespace

std::string users_of(const std::vector<PciAddress>& functions, std::uint32_t uid, const Platform& platform) {
  const auto users = device_users(RootDir(platform.root), functions);
  const auto visible = list(visible_to(uid, users));
  const auto all = list(users);
  return visible == all ? visible : visible + '\n' + all;
}

std::string diagnosis(const Snapshot& snapshot, const Caller& caller, const Platform& platform) {
  const RootDir root(platform.root);
  auto list = Json::array();
  for (const auto& finding : diagnose(root, snapshot, caller)) list.push_back(messages::problem(finding));
  return text(list);
}

}  // namespace gpuctl
