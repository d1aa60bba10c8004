// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/follow.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl::cli {

Exit cancel(Context& context, unsigned number) {
  const auto path = names::operation_path_prefix + std::to_string(number);
  auto& client = context.client();
  const auto before = client.operation(path);
  {
    const auto agent = context.agent();  // somebody else's operation may need a password
    if (before.running()) client.cancel(path);
  }
  const auto after = client.operation(path);
  const auto& console = context.console;
  if (console.json())
    print_json(console, document_of(context, after));
  else if (console.terminal())
    console.print("Operation " + after.number() + " is told to stop and to roll back.\n");
  return Exit::done;
}

}  // namespace gpuctl::cli
