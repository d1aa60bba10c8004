// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"

namespace gpuctl::cli {
namespace {

bool is_blocked(const Failure& failure) { return short_name(failure.name()) == "Blocked"; }

/// The steps; none where the request would be refused, for then the problems tell why.
std::vector<Step> planned(Context& context, const AttachArguments& arguments, const std::string& vm) {
  try {
    return context.client().plan("attach", arguments.gpu, vm, arguments.options);
  } catch (const Failure& failure) {
    if (!is_blocked(failure)) throw;
    return {};
  }
}

Exit dry_run(Context& context, const AttachArguments& arguments, const std::string& vm) {
  const auto problems = context.client().check(arguments.gpu, vm, arguments.options);
  return show_plan(context, planned(context, arguments, vm), problems);
}

Exit run_attach(Context& context, const AttachArguments& arguments, const std::string& vm) {
  try {
    return run_operation(context, arguments.wait, [&](Interaction interaction) {
      auto options = arguments.options;
      options.interaction = interaction;
      return context.client().attach(arguments.gpu, vm, options);
    });
  } catch (const Failure& failure) {
    if (!is_blocked(failure)) throw;
    return show_refusal(context, failure, context.client().check(arguments.gpu, vm, arguments.options));
  }
}

void open_view(Context& context) {
  if (context.surroundings().start_viewer && context.surroundings().start_viewer()) return;
  context.console.complain("looking-glass-client is not installed: nothing to view the VM with",
                           "Install it, and see gpuctl looking-glass check.");
}

}  // namespace

Exit attach(Context& context, const AttachArguments& arguments) {
  const auto vm = domain_name(context, arguments.vm);
  if (arguments.dry_run) return dry_run(context, arguments, vm);
  const auto status = run_attach(context, arguments, vm);
  if (status == Exit::done && arguments.view) open_view(context);
  return status;
}

}  // namespace gpuctl::cli
