// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/follow.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl::cli {

namespace {

Operation existing(Context& context, unsigned number) try {
  return context.client().operation(names::operation_path_prefix + std::to_string(number));
} catch (const Failure& failure) {
  if (failure.name() != "org.freedesktop.DBus.Error.UnknownObject") throw;
  throw Failure{std::string{names::error_prefix} + "NotFound",
                "there is no operation " + std::to_string(number)};
}

std::string sentence(const Operation& before) {
  if (before.running()) return "Operation " + before.number() + " is told to stop and to roll back.\n";
  return "Operation " + before.number() + " has ended already: " + before.state + ".\n";
}

}  // namespace

Exit cancel(Context& context, unsigned number) {
  auto& client = context.client();
  const auto before = existing(context, number);
  {
    const auto agent = context.agent();  // somebody else's operation may need a password
    if (before.running()) client.cancel(before.path);
  }
  const auto after = client.operation(before.path);
  const auto& console = context.console;
  if (console.json())
    print_json(console, document_of(context, after));
  else if (console.terminal())
    console.print(sentence(before));
  return Exit::done;
}

}  // namespace gpuctl::cli
