// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/device_users.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/quoted.hpp"
#include "host/compositor_remedies.hpp"
#include "host/holder_remedies.hpp"
#include "host/kernel_users.hpp"

namespace gpuctl {
namespace {

DeviceUser user_of(const RootDir& root, const Hold& hold) {
  auto info = process_info(root, hold.pid);
  DeviceUser user;
  user.pid = hold.pid;
  user.comm = std::move(info.comm);
  user.command = std::move(info.command);
  user.uid = info.uid;
  user.owner = std::move(info.owner);
  user.what = escaped(hold.what);
  user.node = hold.kind;
  user.function = hold.function;
  user.via = hold.via;
  user.shared = hold.shared;
  explain(user);
  return user;
}

DeviceUser unreadable_processes(const GpuNodes& nodes, const std::vector<pid_t>& pids) {
  DeviceUser user;
  user.pid = pids.front();
  user.what = fmt::format("{} processes that may not be looked into", pids.size());
  user.function = nodes.functions.empty() ? PciAddress{} : nodes.functions.front();
  user.via = Via::unreadable;
  user.remedy = "Run gpuctld as its unit does: it needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.";
  return user;
}

bool holds_this_one(const DeviceUsers& users, pid_t pid) {
  return std::ranges::any_of(users, [&](const DeviceUser& u) { return u.pid == pid && !u.shared; });
}

/// nvidiactl counts as shared in any case: who has it alone uses no GPU.
bool is_alone(const GpuNodes& nodes) {
  return std::ranges::none_of(nodes.nodes,
                              [](const DeviceNode& n) { return n.shared && n.path != "/dev/nvidiactl"; });
}

/// Nobody is to stop what uses another GPU.
void tell_sharing(const GpuNodes& nodes, DeviceUsers& users) {
  if (is_alone(nodes)) return;
  for (auto& user : users)
    if (user.shared && !user.will_let_go && !holds_this_one(users, user.pid))
      user.remedy = "If it uses this GPU, and not another one of its driver: " + user.remedy;
}

}  // namespace

std::string_view to_string(HolderKind kind) {
  switch (kind) {
    case HolderKind::program:
      return "program";
    case HolderKind::service:
      return "service";
    case HolderKind::compositor:
      return "compositor";
    case HolderKind::login_manager:
      return "login-manager";
    case HolderKind::audio_server:
      return "audio-server";
    case HolderKind::vm:
      return "vm";
    case HolderKind::container:
      return "container";
    case HolderKind::driver_service:
      return "driver-service";
    case HolderKind::kernel:
      return "kernel";
  }
  return "program";
}

DeviceUsers device_users(const RootDir& root, const GpuNodes& nodes) {
  const auto scan = scan_processes(root, nodes);
  DeviceUsers users;
  for (const auto& hold : scan.holds) users.push_back(user_of(root, hold));
  if (!scan.unreadable.empty()) users.push_back(unreadable_processes(nodes, scan.unreadable));
  for (auto& user : kernel_users(root, nodes)) users.push_back(std::move(user));
  fit_compositor_remedies(root, nodes, users);
  tell_sharing(nodes, users);
  return users;
}

bool is_card(const DeviceUser& user) {
  return user.node == NodeKind::drm || user.node == NodeKind::framebuffer;
}

DeviceUsers visible_to(uid_t caller, DeviceUsers users) {
  if (caller == 0) return users;
  for (auto& user : users)
    if (user.uid != caller) user.command.clear();
  return users;
}

}  // namespace gpuctl
