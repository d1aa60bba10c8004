// SPDX-License-Identifier: GPL-2.0-or-later
#include <filesystem>
#include <sstream>

#include "cli/commands/change.hpp"
#include "cli/commands/commands.hpp"

namespace gpuctl::cli {
namespace {

std::string change(Context& context, const VmSetupArguments& a, const VmSetup& setup) {
  return a.undo ? context.client().undo_vm(a.vm, setup) : context.client().setup_vm(a.vm, setup);
}

/// Lines "# ..." of what was done tell what could not be done.
void complain_about_notes(const Console& console, const std::string& made) {
  std::istringstream lines{made};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("# ")) console.complain(line.substr(2));
}

/// The daemon does not know in which directory a file was named; on another host only whole paths mean
/// anything.
VmSetup with_whole_path(const Context& context, VmSetup setup) {
  const bool is_file = setup.rom && !setup.rom->empty() && *setup.rom != "auto";
  if (is_file && !context.remote()) setup.rom = std::filesystem::absolute(*setup.rom).lexically_normal();
  return setup;
}

}  // namespace

Exit vm_setup(Context& context, const VmSetupArguments& arguments) {
  auto setup = with_whole_path(context, arguments.setup);
  setup.dry_run = true;
  const auto diff = change(context, arguments, setup);
  return show_and_make_change(context, diff, arguments.setup.dry_run, [&](Interaction interaction) {
    setup.dry_run = false;
    setup.interaction = interaction;
    complain_about_notes(context.console, change(context, arguments, setup));
    return std::string{"Done; a running VM gets it at its next start."};
  });
}

}  // namespace gpuctl::cli
