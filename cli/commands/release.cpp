// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"

namespace gpuctl::cli {

Exit release(Context& context, const ReleaseArguments& arguments) {
  if (arguments.dry_run) {
    return show_plan(context, context.client().plan("release", arguments.gpu, "", arguments.options), {});
  }
  return run_operation(context, arguments.wait, [&](Interaction interaction) {
    auto options = arguments.options;
    options.interaction = interaction;
    return context.client().release(arguments.gpu, options);
  });
}

}  // namespace gpuctl::cli
