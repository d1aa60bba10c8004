// SPDX-License-Identifier: GPL-2.0-or-later
#include <map>

#include <fmt/format.h>

#include "host/device_users.hpp"
#include "host/end_users.hpp"

namespace gpuctl {
namespace {

/// What one process holds, as one finding.
struct Claim {
  const DeviceUser* user{};  ///< the row that weighs most
  std::string what;
};

enum class Weight { lets_go, maybe, blocks };

Weight weight(const DeviceUser& user) {
  if (user.will_let_go) return Weight::lets_go;
  return user.shared ? Weight::maybe : Weight::blocks;
}

std::string who(const DeviceUser& user) {
  if (user.kind == HolderKind::kernel) return "The kernel";
  const auto& owner = user.owner;
  auto text = fmt::format("{} (pid {}", user.comm.empty() ? "A process" : user.comm, user.pid);
  if (!user.unit().empty()) text += ", " + user.unit();
  if (!owner.container.empty()) text += ", container " + owner.container;
  if (!owner.machine.empty()) text += ", machine " + owner.machine;
  return text + ")";
}

Problem unreadable(const DeviceUser& user) {
  return {"gpu-users-unreadable", Severity::blocker, user.function.str(),
          fmt::format("There are {}, so that nobody can say who holds the GPU.", user.what), user.remedy};
}

Problem by_kernel(const DeviceUser& user, const std::string& what) {
  return {"gpu-held-by-kernel", user.will_let_go ? Severity::info : Severity::blocker, user.function.str(),
          fmt::format("The kernel itself holds the GPU: {}.", what), user.remedy};
}

Problem by_process(const Claim& claim, Force force) {
  const auto& user = *claim.user;
  const auto subject = user.function.str();
  switch (weight(user)) {
    case Weight::lets_go:
      return {"gpu-user-lets-go", Severity::info, subject,
              fmt::format("{} has {} open and lets go by itself.", who(user), claim.what), user.remedy};
    case Weight::maybe:
      return {"gpu-may-be-in-use", Severity::warning, subject,
              fmt::format("{} has {} open, which all GPUs of the driver share.", who(user), claim.what),
              user.remedy};
    case Weight::blocks:
      break;
  }
  if (force == Force::yes && may_be_ended(user))
    return {
        "gpu-in-use", Severity::warning, subject,
        fmt::format("{} holds {} and will be ended, as it was asked to be forced.", who(user), claim.what),
        user.remedy};
  return {"gpu-in-use", Severity::blocker, subject, fmt::format("{} holds {}.", who(user), claim.what),
          user.remedy};
}

}  // namespace

Problems user_problems(const DeviceUsers& users, Force force) {
  std::map<pid_t, Claim> processes;
  Problems problems;
  for (const auto& user : users) {
    if (user.via == Via::unreadable) {
      problems.push_back(unreadable(user));
    } else if (user.kind == HolderKind::kernel) {
      problems.push_back(by_kernel(user, user.what));
    } else {
      auto& claim = processes[user.pid];
      claim.what += (claim.what.empty() ? "" : ", ") + user.what;
      if (!claim.user || weight(user) > weight(*claim.user)) claim.user = &user;
    }
  }
  Problems all;
  for (const auto& [pid, claim] : processes) all.push_back(by_process(claim, force));
  all.insert(all.end(), problems.begin(), problems.end());
  return all;
}

}  // namespace gpuctl
