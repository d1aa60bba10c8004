// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

Json document(const Objects& objects) {
  auto gpus = Json::array();
  for (const auto& gpu : objects.gpus) gpus.push_back(json_of(gpu, objects.groups_of(gpu)));
  return {{"gpus", std::move(gpus)}};
}

std::vector<Cell> row(const Objects& objects, const Gpu& gpu) {
  const auto* display = gpu.display();
  const auto* group = objects.group_of(gpu);
  return {{gpu.address},
          {gpu.vendor.empty() ? gpu.name : gpu.vendor + " " + gpu.name},
          {display != nullptr ? display->driver : ""},
          {group != nullptr ? std::to_string(group->number) : ""},
          {gpu.state, gpu_state_colour(gpu.state)},
          {gpu.vm}};
}

}  // namespace

Exit list(Context& context) {
  const auto objects = context.client().objects();
  const auto& console = context.console;
  if (console.json()) {
    print_json(console, document(objects));
    return Exit::done;
  }
  Table table{{"ADDRESS", "NAME", "DRIVER", "GROUP", "STATE", "VM"}};
  for (const auto& gpu : objects.gpus) table.add(row(objects, gpu));
  const bool nothing = objects.gpus.empty() && console.terminal();
  console.print(nothing ? "This machine has no GPU.\n" : table.text(console));
  return Exit::done;
}

}  // namespace gpuctl::cli
