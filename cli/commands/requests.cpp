// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/requests.hpp"

#include <algorithm>

#include "cli/commands/follow.hpp"
#include "cli/output/json.hpp"
#include "cli/output/problems.hpp"
#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

/// Also where it hangs: who means the VM side needs no libvirt.
bool means_no_libvirt(const Failure& failure) {
  const auto name = short_name(failure.name());
  return name == "LibvirtUnavailable" || name == "VmNotFound" || name == "NotSupported" || name == "TimedOut";
}

bool has_domain(Context& context, const std::string& name) {
  try {
    const auto vms = context.client().vms();
    return std::ranges::find(vms, name, &Vm::name) != vms.end();
  } catch (const Failure& failure) {
    if (!means_no_libvirt(failure)) throw;
    return false;
  }
}

bool is_blocked(const Failure& failure) { return short_name(failure.name()) == "Blocked"; }

/// The steps; none where the request would be refused, for then the problems tell why.
std::vector<Step> planned(Context& context, const Move& move) {
  try {
    return context.client().plan(move.verb, move.gpu, move.vm, move.options);
  } catch (const Failure& failure) {
    if (!is_blocked(failure)) throw;
    return {};
  }
}

/// What a person calls the machine of these steps, which name it by its UUID.
std::string vm_of(Context& context, const Move& move, const std::vector<Step>& steps) try {
  const auto step = std::ranges::find_if(steps, [](const Step& s) { return s.kind.starts_with("vm-"); });
  if (!move.vm.empty() || step == steps.end() || context.console.json()) return move.vm;
  const auto vms = context.client().vms();
  const auto vm = std::ranges::find(vms, step->subject, &Vm::uuid);
  return vm == vms.end() ? std::string{} : vm->name;
} catch (const Failure&) {
  return {};  // the UUID has to do
}

std::vector<Problem> problems_of(Context& context, const Move& move) {
  auto options = move.options;
  if (move.verb == "release") options.verb = move.verb;
  return context.client().check(move.gpu, move.vm, options);
}

std::string start(Context& context, const Move& move, Interaction interaction) {
  auto options = move.options;
  options.interaction = interaction;
  return move.verb == "attach" ? context.client().attach(move.gpu, move.vm, options)
                               : context.client().release(move.gpu, options);
}

Exit run_operation(Context& context, const Move& move, bool wait) {
  const auto path =
      context.authorized([&](Interaction interaction) { return start(context, move, interaction); });
  if (wait) return report(context, follow(context, path));
  if (context.console.json())
    print_json(context.console, document_of(context, context.client().operation(path)));
  else
    context.console.print(path.substr(path.rfind('/') + 1) + "\n");
  return Exit::done;
}

std::string steps_text(const Console& console, const std::vector<Step>& steps, const std::string& vm) {
  Table table{{"STEP", "SUBJECT", "DETAIL"}};
  for (const auto& step : steps) table.add({{step.kind}, {subject(step, vm)}, {step.detail}});
  return table.text(console);
}

Exit show_plan(Context& context, const std::string& vm, const std::vector<Step>& steps,
               const std::vector<Problem>& problems) {
  const auto& console = context.console;
  if (console.json()) {
    print_json(console, {{"steps", json_list(steps)}, {"problems", json_list(problems)}});
  } else {
    if (!steps.empty()) console.print(steps_text(console, steps, vm));
    if (steps.empty() && console.terminal() && !any_blocks(problems))
      console.print("There is nothing to do.\n");
    console.print(problems_text(console, problems));
  }
  return any_blocks(problems) ? Exit::refused : Exit::done;
}

Exit show_refusal(Context& context, const Failure& failure, const std::vector<Problem>& problems) {
  const auto& console = context.console;
  const auto blockers = std::ranges::count_if(problems, &Problem::blocks);
  if (blockers == 0) throw failure;
  console.complain(counted(static_cast<std::size_t>(blockers), "problem") +
                   (blockers == 1 ? " stands" : " stand") + " in the way");
  const auto errors = console.for_errors();
  errors.print(problems_text(errors, problems));
  if (console.json()) {
    print_json(console, {{"error", {{"name", short_name(failure.name())}, {"message", failure.what()}}},
                         {"problems", json_list(problems)}});
  }
  return Exit::refused;
}

}  // namespace

std::string domain_name(Context& context, const std::string& word) {
  return word == "vm" && !has_domain(context, word) ? std::string{} : word;
}

Exit run_move(Context& context, const Move& move, bool wait) {
  try {
    return run_operation(context, move, wait);
  } catch (const Failure& failure) {
    if (!is_blocked(failure)) throw;
    return show_refusal(context, failure, problems_of(context, move));
  }
}

Exit show_move(Context& context, const Move& move) {
  const auto problems = problems_of(context, move);
  const auto steps = planned(context, move);
  return show_plan(context, vm_of(context, move, steps), steps, problems);
}

Exit show_findings(Context& context, const std::vector<Problem>& findings, const std::string& all_well) {
  const auto& console = context.console;
  const bool blocked = any_blocks(findings);
  if (console.json()) {
    print_json(console, {{"blocked", blocked}, {"problems", json_list(findings)}});
  } else {
    console.print(problems_text(console, findings));
    if (!blocked && console.terminal()) console.print(console.paint(Colour::green, all_well) + "\n");
  }
  return blocked ? Exit::refused : Exit::done;
}

}  // namespace gpuctl::cli
