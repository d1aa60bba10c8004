// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/host_facts.hpp"

namespace gpuctl {

struct Account {
  std::string name;
  gid_t group{};
};

/// By uid from passwd(5); nothing for accounts kept elsewhere (systemd-homed, LDAP).
std::optional<Account> account(const RootDir& root, uid_t uid);

enum class Membership {
  unknown,  ///< no such group, or an account that is not in passwd(5)
  none,
  later,  ///< a member, but the session began before that
  now,
};

/// What the caller types to become a member, "" where that is not known.
std::string join_command(const HostFacts& host, std::string_view group);

/// Of the caller, who is not root, by group(5) and the groups of the calling process.
Membership membership(const HostFacts& host, std::string_view group);

}  // namespace gpuctl
