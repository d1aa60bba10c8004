// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"

namespace gpuctl::cli {
namespace {

void open_view(Context& context) {
  if (context.surroundings().start_viewer && context.surroundings().start_viewer()) return;
  context.console.complain("looking-glass-client is not installed: nothing to view the VM with",
                           "Install it, and see gpuctl looking-glass check.");
}

}  // namespace

Exit attach(Context& context, const AttachArguments& arguments) {
  const Move move{"attach", arguments.gpu, domain_name(context, arguments.vm), arguments.options};
  if (arguments.dry_run) return show_move(context, move);
  const auto status = run_move(context, move, arguments.wait);
  if (status == Exit::done && arguments.view) open_view(context);
  return status;
}

}  // namespace gpuctl::cli
