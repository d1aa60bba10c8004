// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/plan.hpp"

#include <algorithm>
#include <set>

#include "rebind/bring_back.hpp"

namespace gpuctl {
namespace {

void append(Plan& plan, Plan more) { std::ranges::move(more, std::back_inserter(plan)); }

std::vector<std::string> backwards(std::vector<std::string> names) {
  std::ranges::reverse(names);
  return names;
}

Plan steps(StepKind kind, const std::vector<std::string>& subjects) {
  Plan plan;
  for (const auto& subject : subjects) plan.push_back({kind, subject, "", ""});
  return plan;
}

/// Units from the GPUs of a driver.
Plan stop_from(const std::string& driver, const std::vector<std::string>& units) {
  Plan plan;
  for (const auto& unit : units) plan.push_back({StepKind::stop_unit, unit, driver, ""});
  return plan;
}

/// In the order in which they were stopped, backwards.
Plan start_for(const std::string& driver, const std::vector<std::string>& stopped, const std::string& how) {
  Plan plan;
  for (const auto& unit : backwards(stopped)) plan.push_back({StepKind::start_unit, unit, how, driver});
  return plan;
}

std::string driver_of(PciAddress address, const std::vector<Move>& moves) {
  const auto move = std::ranges::find(moves, address, [](const Move& m) { return m.function->address; });
  return move == moves.end() ? "" : move->function->driver;
}

std::string home_driver(const Binding& home) {
  const auto f = std::ranges::find(home.functions, home.gpu, &FunctionBinding::address);
  return f == home.functions.end() ? "" : f->driver;
}

/// vfio-pci lives in vfio_pci, and so on for the variants.
std::string module_of_vfio_driver(std::string driver) {
  std::ranges::replace(driver, '-', '_');
  return driver;
}

/// Functions to move, in the order they go: companions first, because they are the GPU's consumers.
std::vector<Move> moves_to_vfio(const Gpu& gpu, const Snapshot& now, const AttachTarget& target) {
  std::vector<Move> moves;
  for (const auto address : gpu.functions) {
    const auto* f = now.find(address);
    if (f == nullptr || f->vfio) continue;
    const auto wanted = target.vfio_drivers.find(address);
    const auto driver = wanted == target.vfio_drivers.end() ? "vfio-pci" : wanted->second;
    moves.push_back({f, driver, module_of_vfio_driver(driver)});
  }
  std::stable_partition(moves.begin(), moves.end(),
                        [&gpu](const Move& m) { return m.function->address != gpu.address; });
  return moves;
}

Plan load_vfio(const std::vector<Move>& moves, const Drivers& drivers) {
  std::map<std::string, std::string> missing;
  for (const auto& m : moves)
    if (!drivers.contains(m.driver)) missing.emplace(m.module, m.driver);
  Plan plan;
  for (const auto& [module, driver] : missing) plan.push_back({StepKind::load_module, module, "", driver});
  return plan;
}

Plan quiesce(const AttachTarget& target, const std::string& driver) {
  auto plan = stop_from(driver, target.stop_units);
  append(plan, steps(StepKind::drm_remove, target.drm_cards));
  return plan;
}

Plan may_sleep_deeply(const PciFunction& f) {
  if (!f.d3cold_allowed.value_or(false)) return {};
  return {{StepKind::set_d3cold, f.address.str(), "0", "1"}};
}

/// vfio-pci allows runtime sleep by itself when it binds (vfio_pci_core: pm_runtime_allow).
Plan stay_awake(const PciFunction& f) {
  if (f.power_control.empty()) return {};
  return {{StepKind::set_power_control, f.address.str(), "auto", "on"}};
}

/// A write to d3cold_allowed wakes the function (pci-sysfs: d3cold_allowed_store), and vfio-pci lets it sleep
/// at once. So a companion gets it before it is bound. The GPU comes last and gets it last: until then the
/// card, which sleeps as a whole, is not off when its functions are looked at.
Plan rebind_and_settle(const Move& move, const Drivers& drivers, const AttachTarget& target, PciAddress gpu,
                       const Plan& before) {
  auto plan = rebind_steps(move, drivers, Presence::checked, before);
  const auto binds = std::ranges::find(plan, StepKind::bind, &Step::kind);
  const bool comes_last = move.function->address == gpu;
  const auto power = target.let_sleep ? may_sleep_deeply(*move.function) : stay_awake(*move.function);
  plan.insert(target.let_sleep && !comes_last ? binds : plan.end(), power.begin(), power.end());
  return plan;
}

Plan move_to_vfio(const Gpu& gpu, const Drivers& drivers, const AttachTarget& target,
                  const std::vector<Move>& moves) {
  auto plan = load_vfio(moves, drivers);
  const auto driver = driver_of(gpu.address, moves);
  append(plan, pin_power(moves));
  for (const auto& m : moves) append(plan, override_step(*m.function, m.function->driver_override, m.driver));
  append(plan, quiesce(target, driver));
  plan.push_back({StepKind::check_users, gpu.address.str(), "", all_functions});
  append(plan, steps(StepKind::unload_module, target.unload_modules));
  for (const auto& m : moves) append(plan, rebind_and_settle(m, drivers, target, gpu.address, plan));
  append(plan, start_for(driver, target.start_units, for_others));
  return plan;
}

/// Nobody new gets in between the first look at the users and the last unbind.
Plan fenced(Plan plan, PciAddress gpu, const NodeModes& nodes) {
  const auto unbinds = [](const Step& s) { return s.kind == StepKind::unbind && !s.from.empty(); };
  const auto looks = [](const Step& s) { return s.kind == StepKind::check_users; };
  const auto last = std::ranges::find_if(plan.rbegin(), plan.rend(), unbinds);
  if (nodes.empty() || last == plan.rend()) return plan;
  plan.insert(last.base(), {StepKind::open_nodes, gpu.str(), "", to_string(nodes)});
  plan.insert(std::ranges::find_if(plan, looks), {StepKind::close_nodes, gpu.str(), "", to_string(nodes)});
  return plan;
}

/// What was started, and is stopped on the way back: for the GPUs that have it still.
Plan start_again(const Plan& begun) {
  Plan plan;
  for (const auto& step : begun) {
    const auto was_stopped = [&](const Step& s) {
      return s.kind == StepKind::stop_unit && s.subject == step.subject;
    };
    if (step.kind == StepKind::start_unit && !step.to.empty() && std::ranges::none_of(begun, was_stopped))
      plan.push_back({StepKind::start_unit, step.subject, for_others, step.to});
  }
  return plan;
}

}  // namespace

bool has_step(const Plan& plan, StepKind kind) { return std::ranges::count(plan, kind, &Step::kind) != 0; }

Plan attach_plan(const Gpu& gpu, const Snapshot& now, const Drivers& drivers, const AttachTarget& target) {
  auto plan = target.first;
  const auto moves = moves_to_vfio(gpu, now, target);
  if (!moves.empty())
    append(plan, fenced(move_to_vfio(gpu, drivers, target, moves), gpu.address, target.nodes));
  append(plan, target.last);
  return plan;
}

Plan release_plan(const Gpu& gpu, const Snapshot& seen, const Drivers& drivers, const Binding& recorded,
                  const ReleaseTarget& target) {
  const auto now = target.revival == Revival::rescan ? with_lost(seen, recorded) : seen;
  auto plan = target.first;
  const bool revives = target.revival != Revival::none;
  append(plan, fenced(revives ? revive(now, drivers, recorded, target.revival)
                              : bring_back(now, drivers, recorded, {Presence::checked, gpu.address}),
                      gpu.address, target.nodes));
  append(plan, steps(StepKind::load_module, backwards(recorded.unloaded_modules)));
  append(plan, power_steps(now, recorded, revives ? Moved::all : Moved::changed));
  append(plan, start_for(home_driver(recorded), recorded.stopped_units, anew));
  append(plan, target.last);
  return plan;
}

Plan restore_plan(const Snapshot& now, const Drivers& drivers, const Binding& recorded) {
  auto plan = bring_back(now, drivers, recorded, {});
  append(plan, power_steps(now, recorded));
  return plan;
}

Plan rollback_plan(const Plan& begun, const Snapshot& now, const Drivers& drivers, const Binding& before) {
  Plan plan;
  bool restored = false;
  for (auto step = begun.rbegin(); step != begun.rend(); ++step) {
    if (is_binding_step(step->kind)) {
      if (!restored) append(plan, restore_plan(now, drivers, before));
      restored = true;
    } else if (const auto back = inverse(*step)) {
      plan.push_back(*back);
    }
  }
  append(plan, start_again(begun));
  return plan;
}

}  // namespace gpuctl
