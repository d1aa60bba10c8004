// SPDX-License-Identifier: GPL-2.0-or-later
#include <pwd.h>

#include <algorithm>

#include "cli/clean_text.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/users_text.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

/// Login name; the number for a user of another host.
std::string user_name(const Context& context, const User& user) {
  if (user.pid == 0) return {};
  const auto* entry = context.remote() ? nullptr : getpwuid(user.uid);
  return entry != nullptr ? clean(entry->pw_name) : std::to_string(user.uid);
}

std::string command_of(const User& user) {
  if (user.pid == 0) return user.command.empty() ? "(kernel)" : user.command;
  return user.command.empty() ? "(of another user)" : user.command;
}

/// Each remedy once: ten processes of one program need one piece of advice.
std::string remedies(const std::vector<User>& users) {
  std::vector<std::string> told;
  for (const auto& user : users) {
    if (!user.remedy.empty() && std::ranges::find(told, user.remedy) == told.end())
      told.push_back(user.remedy);
  }
  return told.empty() ? "" : join(told, "\n") + "\n";
}

std::string records(const Context& context, const std::vector<User>& users) {
  std::string text;
  for (const auto& u : users) {
    text += record({std::to_string(u.pid), u.command, user_name(context, u), u.unit, u.session, u.what, u.via,
                    u.remedy});
  }
  return text;
}

}  // namespace

std::string users_text(const Context& context, const std::vector<User>& users) {
  if (!context.console.terminal()) return records(context, users);
  Table table{{"PID", "COMMAND", "USER", "UNIT", "SESSION", "HOLDS", "THROUGH"}};
  for (const auto& u : users) {
    const auto pid = u.pid == 0 ? std::string{} : std::to_string(u.pid);
    table.add({{pid}, {command_of(u)}, {user_name(context, u)}, {u.unit}, {u.session}, {u.what}, {u.via}});
  }
  return table.text(context.console) + remedies(users);
}

Exit users(Context& context, const std::string& gpu) {
  const auto holders = context.client().users(gpu);
  const auto& console = context.console;
  if (console.json())
    print_json(console, {{"users", json_list(holders)}});
  else if (holders.empty() && console.terminal())
    console.print("Nobody holds the GPU.\n");
  else
    console.print(users_text(context, holders));
  return Exit::done;
}

}  // namespace gpuctl::cli
