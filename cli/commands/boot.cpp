// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "cli/commands/change.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"
#include "cli/error_text.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl::cli {
namespace {

Json document(const BootPolicy& p) {
  return {{"gpu", p.gpu}, {"side", p.side}, {"state", p.state},
          {"ids", p.ids}, {"late", p.late}, {"disabled", p.disabled}};
}

std::string note(const BootPolicy& p) {
  if (p.disabled) return "gpuctl.boot=host: no policy acts in this boot";
  if (p.state == "trial") return "gpuctl boot confirm keeps it";
  return p.late ? "a driver in the initramfs was faster" : "";
}

Failure failure(const char* name, const std::string& sentence) {
  return {std::string{names::error_prefix} + name, sentence};
}

/// The GPUs with a policy that `fits`.
template <class Fits>
std::vector<std::string> gpus_with(Context& context, Fits fits) {
  std::vector<std::string> gpus;
  for (const auto& policy : context.client().boot_policies()) {
    if (fits(policy)) gpus.push_back(policy.gpu);
  }
  return gpus;
}

/// The one GPU that has a policy.
std::string only_one_with_policy(Context& context) {
  const auto gpus = gpus_with(context, [](const BootPolicy&) { return true; });
  if (gpus.empty()) throw failure("NotFound", "no GPU has a boot policy\ngpuctl boot set makes one.");
  if (gpus.size() > 1)
    throw failure("AmbiguousGpu",
                  "several GPUs have a boot policy: " + join(gpus, ", ") + "\nName one of them.");
  return gpus.front();
}

/// A card that is not there keeps none of the others from being confirmed.
std::string confirm_each(Context& context, const std::vector<std::string>& gpus, Interaction interaction) {
  std::vector<std::string> sentences, missing;
  for (const auto& gpu : gpus) try {
      sentences.push_back(context.client().confirm_boot_policy(gpu, interaction));
    } catch (const Failure& failure) {
      if (short_name(failure.name()) != "NotFound") throw;
      missing.push_back(failure.what());
    }
  if (missing.empty()) return join(sentences, "\n");
  if (!sentences.empty()) missing.push_back("The other policies on trial are confirmed.");
  throw failure("NotFound", join(missing, "\n"));
}

}  // namespace

Exit boot_show(Context& context) {
  const auto policies = context.client().boot_policies();
  const auto& console = context.console;
  if (console.json()) {
    auto list = Json::array();
    for (const auto& policy : policies) list.push_back(document(policy));
    print_json(console, {{"policies", std::move(list)}});
    return Exit::done;
  }
  Table table{{"GPU", "SIDE", "STATE", "IDS", "NOTE"}};
  for (const auto& p : policies) table.add({{p.gpu}, {p.side}, {p.state}, {p.ids}, {note(p)}});
  const bool nothing = policies.empty() && console.terminal();
  console.print(nothing ? "No boot policy: every GPU starts with the host's driver.\n" : table.text(console));
  return Exit::done;
}

Exit boot_set(Context& context, const std::string& gpu, const std::string& side, bool migrate) {
  const auto target = gpu.empty() && side == "clear" ? only_one_with_policy(context) : gpu;
  return make_change(context, [&](Interaction interaction) {
    return context.client().set_boot_policy(target, side, migrate, interaction);
  });
}

Exit boot_confirm(Context& context, const std::string& gpu) {
  auto gpus = std::vector{gpu};
  if (gpu.empty()) gpus = gpus_with(context, [](const BootPolicy& p) { return p.state == "trial"; });
  if (gpus.empty())
    throw failure("NotFound", "no boot policy is on trial\ngpuctl boot show shows what there is.");
  return make_change(context,
                     [&](Interaction interaction) { return confirm_each(context, gpus, interaction); });
}

Exit boot_apply(Context& context) {
  return show_findings(context, context.client().apply_boot_policy(),
                       "every GPU is on the side of its policy");
}

}  // namespace gpuctl::cli
