// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "cli/commands/commands.hpp"
#include "cli/output/functions.hpp"
#include "cli/output/json.hpp"

namespace gpuctl::cli {
namespace {

bool holds_gpu(const Objects& objects, const Group& group) {
  return std::ranges::any_of(objects.gpus, [&](const Gpu& gpu) { return group.has_function_of(gpu); });
}

Json document(const Objects& objects, const Group& group) {
  auto json = json_of(group);
  auto gpus = Json::array();
  for (const auto& gpu : objects.gpus) {
    if (group.has_function_of(gpu)) gpus.push_back(gpu.address);
  }
  json["gpus"] = std::move(gpus);
  return json;
}

}  // namespace

Exit groups(Context& context, bool all) {
  const auto objects = context.client().objects();
  const auto& console = context.console;
  auto documents = Json::array();
  std::string text;
  for (const auto& group : objects.groups) {
    if (!all && !holds_gpu(objects, group)) continue;
    if (console.json())
      documents.push_back(document(objects, group));
    else
      text += group_text(console, group);
  }
  if (text.empty() && console.terminal())
    text = "No IOMMU group to show; gpuctl doctor says whether the IOMMU is on.\n";
  if (console.json())
    print_json(console, {{"groups", std::move(documents)}});
  else
    console.print(text);
  return Exit::done;
}

}  // namespace gpuctl::cli
