// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/accounts.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/whole_number.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

struct Group {
  gid_t gid{};
  std::vector<std::string> members;
};

std::optional<Group> find_group(const RootDir& root, const char* file, std::string_view name) {
  for (const auto& line : lines(root.text(file))) {
    const auto fields = split(line, ':');
    if (fields.size() >= 4 && fields[0] == name)
      return Group{whole_number(fields[2]).value_or(0), split(fields[3], ',')};
  }
  return std::nullopt;
}

/// Image-based systems have the groups of the image in a file of its own (nss-altfiles).
constexpr auto local_groups = "etc/group", image_groups = "usr/lib/group";

std::optional<Group> find_group(const RootDir& root, std::string_view name) {
  const auto local = find_group(root, local_groups, name);
  return local ? local : find_group(root, image_groups, name);
}

}  // namespace

std::string join_command(const HostFacts& host, std::string_view group) {
  const auto who = account(host.root, host.caller.uid);
  if (!who || !find_group(host.root, group)) return {};
  // usermod knows the local file only
  const auto copied =
      find_group(host.root, local_groups, group)
          ? std::string{}
          : fmt::format("grep '^{}:' /{} | sudo tee -a /{} && ", group, image_groups, local_groups);
  return fmt::format("{}sudo usermod -aG {} {}, then log in again", copied, group, who->name);
}

std::optional<Account> account(const RootDir& root, uid_t uid) {
  for (const auto& line : lines(root.text("etc/passwd"))) {
    const auto fields = split(line, ':');
    if (fields.size() >= 4 && whole_number(fields[2]) == uid)
      return Account{fields[0], whole_number(fields[3]).value_or(0)};
  }
  return std::nullopt;
}

Membership membership(const HostFacts& host, std::string_view name) {
  const auto group = find_group(host.root, name);
  const auto who = account(host.root, host.caller.uid);
  if (!group || !who) return Membership::unknown;
  const bool member =
      std::ranges::find(group->members, who->name) != group->members.end() || who->group == group->gid;
  const auto& groups = host.caller.groups;
  const bool now = groups ? std::ranges::find(*groups, group->gid) != groups->end() : member;
  if (now) return Membership::now;
  return member ? Membership::later : Membership::none;
}

}  // namespace gpuctl
