// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"
#include "cli/output/json.hpp"
#include "cli/output/problems.hpp"

namespace gpuctl::cli {

Exit check(Context& context, const CheckArguments& arguments) {
  const auto vm = domain_name(context, arguments.vm);
  const auto problems = context.client().check(arguments.gpu, vm, arguments.options);
  const auto& console = context.console;
  const bool blocked = any_blocks(problems);
  if (console.json()) {
    print_json(console, {{"blocked", blocked}, {"problems", json_list(problems)}});
  } else {
    console.print(problems_text(console, problems));
    if (!blocked && console.terminal()) console.print("Nothing stands in the way: attach would work.\n");
  }
  return blocked ? Exit::refused : Exit::done;
}

}  // namespace gpuctl::cli
