// SPDX-License-Identifier: GPL-2.0-or-later
#include <optional>

#include "cli/commands/commands.hpp"
#include "cli/commands/users_text.hpp"
#include "cli/gpu_argument.hpp"
#include "cli/output/functions.hpp"
#include "cli/output/json.hpp"
#include "cli/output/problems.hpp"
#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

using Groups = std::vector<const Group*>;

/// Who holds it is the one part that takes a search; without an answer the rest is still worth showing.
std::optional<std::vector<User>> holders(Context& context, const std::string& gpu) {
  try {
    return context.client().users(gpu);
  } catch (const Failure& failure) {
    context.console.complain("who holds the GPU is not known: " + std::string{failure.what()});
    return {};
  }
}

std::string head(const Console& console, const Gpu& gpu) {
  std::string text = console.paint(Colour::bold, gpu.address) + " " + gpu.vendor + " " + gpu.name + "\n";
  text += "  State: " + console.paint(gpu_state_colour(gpu.state), gpu.state);
  if (!gpu.vm.empty()) text += (gpu.state == "host" ? ", at its next start with VM " : ", VM ") + gpu.vm;
  return text + "\n  Boot display: " + (gpu.boot_display ? "yes" : "no") + "\n";
}

std::string functions_of(const Console& console, const Gpu& gpu, const Groups& groups) {
  std::string text;
  for (const auto* group : groups) text += group_text(console, *group, Detail::with_power);
  if (!groups.empty()) return text;
  text = "No IOMMU group:\n";
  for (const auto& function : gpu.functions) text += function_text(function, Detail::with_power);
  return text;
}

Json document(const Gpu& gpu, const Groups& groups, const std::optional<std::vector<User>>& users) {
  auto json = json_of(gpu, groups);
  json["group"] = groups.empty() ? Json(nullptr) : json_of(*groups.front());
  json["users"] = users ? json_list(*users) : Json(nullptr);
  json["problems"] = json_list(gpu.problems);
  return {{"gpu", std::move(json)}};
}

}  // namespace

Exit show(Context& context, const std::string& argument) {
  const auto address = find_gpu(context.client().objects(), argument).address;
  const auto users = holders(context, address);
  const auto objects = context.client().objects();  // as that search has found it: power has no event
  const auto& gpu = find_gpu(objects, address);
  const auto groups = objects.groups_of(gpu);
  const auto& console = context.console;
  if (console.json()) {
    print_json(console, document(gpu, groups, users));
    return Exit::done;
  }
  console.print(head(console, gpu) + functions_of(console, gpu, groups));
  if (users && !users->empty()) console.print("Held by:\n" + users_text(context, *users));
  if (!gpu.problems.empty()) console.print("Problems:\n" + problems_text(console, gpu.problems));
  return Exit::done;
}

}  // namespace gpuctl::cli
