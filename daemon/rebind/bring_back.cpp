// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/bring_back.hpp"

#include <algorithm>

#include "rebind/plan.hpp"

namespace gpuctl {
namespace {

void append(Plan& plan, Plan more) { std::ranges::move(more, std::back_inserter(plan)); }

std::string digit(bool value) { return value ? "1" : "0"; }

bool is_vfio_driver(const std::string& driver) {
  return driver == "vfio-pci" || driver.ends_with("-vfio-pci") || driver.ends_with("_vfio_pci");
}

/// Towards vfio the display function goes last, towards the host first.
void put_in_order(std::vector<Move>& moves, const Binding& recorded) {
  const auto* display = recorded.find(recorded.gpu);
  const bool to_vfio = display != nullptr && is_vfio_driver(display->driver);
  if (!to_vfio) std::ranges::reverse(moves);
  std::stable_partition(moves.begin(), moves.end(),
                        [&](const Move& m) { return (m.function->address == recorded.gpu) != to_vfio; });
}

bool moves(const std::vector<Move>& all, PciAddress address) {
  return std::ranges::any_of(all, [address](const Move& m) { return m.function->address == address; });
}

Plan power_steps_of(const PciFunction& f, const FunctionBinding& recorded, bool moved) {
  Plan plan;
  const auto subject = f.address.str();
  // What a moved function has by then depends on its drivers; "from" tells what it was pinned to.
  const auto control = moved ? "on" : f.power_control;
  const auto d3cold = moved ? false : f.d3cold_allowed.value_or(false);
  if (recorded.d3cold_allowed && f.d3cold_allowed && (moved || d3cold != *recorded.d3cold_allowed))
    plan.push_back({StepKind::set_d3cold, subject, digit(d3cold), digit(*recorded.d3cold_allowed)});
  if (!recorded.power_control.empty() && (moved || control != recorded.power_control))
    plan.push_back({StepKind::set_power_control, subject, control, recorded.power_control});
  return plan;
}

}  // namespace

bool is_binding_step(StepKind kind) {
  return kind == StepKind::set_power_control || kind == StepKind::set_d3cold ||
         kind == StepKind::set_override || kind == StepKind::unbind || kind == StepKind::bind;
}

std::string override_while_binding(const FunctionBinding& recorded) {
  return recorded.driver.empty() ? recorded.driver_override : recorded.driver;
}

Plan first_overrides(const std::vector<Move>& all, const Binding& recorded) {
  Plan plan;
  for (const auto& m : all)
    append(plan, override_step(*m.function, m.function->driver_override,
                               override_while_binding(*recorded.find(m.function->address))));
  return plan;
}

Plan last_overrides(const Snapshot& now, const std::vector<Move>& all, const Binding& recorded) {
  Plan plan;
  for (const auto& f : recorded.functions) {
    const auto* function = same_function(now, f);
    if (function == nullptr) continue;
    const auto current = moves(all, f.address) ? override_while_binding(f) : function->driver_override;
    append(plan, override_step(*function, current, f.driver_override));
  }
  return plan;
}

std::vector<Move> moves_of_all(const Snapshot& now, const Binding& recorded) {
  std::vector<Move> all;
  for (const auto& f : recorded.functions)
    if (const auto* function = same_function(now, f)) all.push_back({function, f.driver, f.module});
  put_in_order(all, recorded);
  return all;
}

std::vector<Move> moves_back(const Snapshot& now, const Binding& recorded) {
  auto all = moves_of_all(now, recorded);
  std::erase_if(all, [](const Move& m) { return m.function->driver == m.driver; });
  return all;
}

Plan bring_back(const Snapshot& now, const Drivers& drivers, const Binding& recorded, const BringBack& how) {
  const auto all = moves_back(now, recorded);
  auto plan = pin_power(all);
  append(plan, first_overrides(all, recorded));
  const bool any_bound = std::ranges::any_of(all, [](const Move& m) { return !m.function->driver.empty(); });
  if (how.check_all && any_bound)
    plan.push_back({StepKind::check_users, how.check_all->str(), "", all_functions});
  for (const auto& m : all) append(plan, rebind_steps(m, drivers, how.presence, plan));
  append(plan, last_overrides(now, all, recorded));
  return plan;
}

Plan power_steps(const Snapshot& now, const Binding& recorded, Moved moved) {
  const auto all = moved == Moved::all ? moves_of_all(now, recorded) : moves_back(now, recorded);
  Plan plan;
  for (const auto& f : recorded.functions)
    if (const auto* function = same_function(now, f))
      append(plan, power_steps_of(*function, f, moves(all, f.address)));
  return plan;
}

Plan pin_power(const std::vector<Move>& all) {
  Plan plan;
  for (const auto& m : all)
    if (m.function->power_control == "auto")
      plan.push_back({StepKind::set_power_control, m.function->address.str(), "auto", "on"});
  for (const auto& m : all)
    if (m.function->d3cold_allowed.value_or(false))
      plan.push_back({StepKind::set_d3cold, m.function->address.str(), "1", "0"});
  return plan;
}

Plan rebind_steps(const Move& move, const Drivers& drivers, Presence presence, const Plan& before) {
  const auto& f = *move.function;
  const auto subject = f.address.str();
  const bool just_checked = !before.empty() && before.back().kind == StepKind::check_users;
  Plan plan;
  if (!f.driver.empty() && !just_checked) plan.push_back({StepKind::check_users, subject, "", ""});
  if (presence == Presence::checked) plan.push_back({StepKind::check_present, subject, "", f.id.ids()});
  if (!f.driver.empty()) plan.push_back({StepKind::unbind, subject, f.driver, ""});
  if (move.driver.empty()) return plan;
  const Step load{StepKind::load_module, move.module, "", move.driver};
  const bool missing = !drivers.contains(move.driver) && !move.module.empty();
  if (missing && std::ranges::find(before, load) == before.end()) plan.push_back(load);
  plan.push_back({StepKind::bind, subject, "", move.driver});
  if (presence == Presence::checked) plan.push_back({StepKind::check_present, subject, "", f.id.ids()});
  return plan;
}

Plan override_step(const PciFunction& function, const std::string& from, const std::string& to) {
  if (from == to) return {};
  return {{StepKind::set_override, function.address.str(), from, to}};
}

}  // namespace gpuctl
