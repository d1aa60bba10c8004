// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"

namespace gpuctl::cli {

Exit vm_list(Context& context) {
  const auto vms = context.client().vms();
  const auto& console = context.console;
  if (console.json()) {
    print_json(console, {{"vms", json_list(vms)}});
    return Exit::done;
  }
  Table table{{"NAME", "STATE", "GPUS", "PROBLEMS", "UUID"}};
  for (const auto& vm : vms)
    table.add({{vm.name}, {vm.state}, {join(vm.gpus, ",")}, {std::to_string(vm.problems.size())}, {vm.uuid}});
  const bool nothing = vms.empty() && console.terminal();
  console.print(nothing ? "libvirt has no VMs.\n" : table.text(console));
  return Exit::done;
}

}  // namespace gpuctl::cli
