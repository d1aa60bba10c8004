// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/change.hpp"
#include "cli/commands/commands.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

Json document(const KernelArguments& a) {
  return {{"mechanism", a.mechanism},
          {"description", a.description},
          {"current", a.current},
          {"configured", a.configured},
          {"add", a.add},
          {"remove", a.remove},
          {"advice", a.advice},
          {"changed_by_gpuctl", a.changed_by_gpuctl},
          {"reboot_needed", a.reboot_needed}};
}

std::string for_people(const KernelArguments& a) {
  std::string text = "Kept by:        " + a.description + "\n";
  text += "Running kernel: " + join(a.current, " ") + "\n";
  text += "Next boot:      " + join(a.configured, " ") + "\n";
  if (!a.add.empty()) text += "To add:         " + join(a.add, " ") + "\n";
  if (!a.remove.empty()) text += "To take out:    " + join(a.remove, " ") + "\n";
  text += a.advice + "\n";
  if (a.reboot_needed) text += "What gpuctl changed holds from the next boot on.\n";
  return text;
}

std::string records(const KernelArguments& a) {
  return record({"mechanism", a.mechanism}) + record({"current", join(a.current, " ")}) +
         record({"configured", join(a.configured, " ")}) + record({"add", join(a.add, " ")}) +
         record({"remove", join(a.remove, " ")}) + record({"advice", a.advice}) +
         record({"reboot-needed", a.reboot_needed ? "yes" : "no"});
}

}  // namespace

Exit kernel_args_show(Context& context) {
  const auto state = context.client().kernel_arguments();
  const auto& console = context.console;
  if (console.json())
    print_json(console, document(state));
  else
    console.print(console.terminal() ? for_people(state) : records(state));
  return Exit::done;
}

Exit kernel_args_plan(Context& context, const KernelArgumentsWish& wish) {
  return show_and_make_change(context, context.client().plan_kernel_arguments(wish), true, {});
}

Exit kernel_args_enable(Context& context, const KernelArgumentsWish& wish) {
  const auto diff = context.client().plan_kernel_arguments(wish);
  return show_and_make_change(context, diff, false, [&](Interaction interaction) {
    return context.client().enable_kernel_arguments(wish, interaction);
  });
}

Exit kernel_args_undo(Context& context) {
  return make_change(
      context, [&](Interaction interaction) { return context.client().undo_kernel_arguments(interaction); });
}

}  // namespace gpuctl::cli
