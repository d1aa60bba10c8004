// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/clean_text.hpp"
#include "cli/commands/commands.hpp"
#include "cli/gpu_argument.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

std::vector<Cell> row(const Operation& o) {
  const auto progress = std::to_string(o.step) + "/" + std::to_string(o.steps.size());
  return {{o.number()},
          {o.kind},
          {slot_of_path(o.gpu_path)},
          {o.vm},
          {o.state, operation_state_colour(o.state)},
          {progress},
          {std::to_string(o.started_by)},
          {clean(o.message)}};
}

}  // namespace

Exit operations(Context& context) {
  const auto objects = context.client().objects();
  const auto& console = context.console;
  if (console.json()) {
    auto list = Json::array();
    for (const auto& operation : objects.operations) list.push_back(json_of(operation, objects));
    print_json(console, {{"operations", std::move(list)}});
    return Exit::done;
  }
  Table table{{"NUMBER", "KIND", "GPU", "VM", "STATE", "STEP", "UID", "MESSAGE"}};
  for (const auto& operation : objects.operations) table.add(row(operation));
  const bool nothing = objects.operations.empty() && console.terminal();
  console.print(nothing ? "Nothing runs, and nothing has finished in the last minute.\n"
                        : table.text(console));
  return Exit::done;
}

}  // namespace gpuctl::cli
