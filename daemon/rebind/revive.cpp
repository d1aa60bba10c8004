// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/revive.hpp"

#include <algorithm>

#include "rebind/bring_back.hpp"
#include "rebind/plan.hpp"

namespace gpuctl {
namespace {

void append(Plan& plan, Plan more) { std::ranges::move(more, std::back_inserter(plan)); }

/// Nobody may hold what is about to lose its driver: remove() would wait for him. The whole GPU is looked at
/// first, then each function again right before its turn.
Plan free_all(const std::vector<Move>& companions_first, const Binding& recorded) {
  Plan plan;
  for (const auto& m : companions_first) {
    if (m.function->driver.empty()) continue;
    if (plan.empty())
      plan.push_back({StepKind::check_users, recorded.gpu.str(), "", all_functions});
    else
      plan.push_back({StepKind::check_users, m.function->address.str(), "", ""});
    plan.push_back({StepKind::unbind, m.function->address.str(), m.function->driver, ""});
  }
  return plan;
}

Plan reset_all(const std::vector<Move>& moves) {
  Plan plan;
  for (const auto& m : moves)
    if (resets_alone(*m.function, moves.size() > 1))
      plan.push_back({StepKind::reset, m.function->address.str(), "", ""});
  return plan;
}

Plan find_again(const std::vector<Move>& companions_first, const Binding& recorded) {
  Plan plan;
  for (const auto& m : companions_first)
    plan.push_back({StepKind::remove, m.function->address.str(), "", ""});
  plan.push_back({StepKind::rescan, recorded.gpu.str(), "", ""});
  return plan;
}

Plan check_all(const std::vector<Move>& moves) {
  Plan plan;
  for (const auto& m : moves)
    plan.push_back({StepKind::check_present, m.function->address.str(), "", m.function->id.ids()});
  return plan;
}

Plan bind_freed(const Move& move, const Drivers& drivers, const Plan& before) {
  auto freed = *move.function;
  freed.driver.clear();
  return rebind_steps({&freed, move.driver, move.module}, drivers, Presence::assumed, before);
}

/// A scan finds a new device: without the override it had, or with one of a udev rule's, and with whatever
/// driver was quick.
Plan claim_found(const Move& move, const Binding& recorded) {
  const auto subject = move.function->address.str();
  const auto wanted = override_while_binding(*recorded.find(move.function->address));
  return {{StepKind::set_override, subject, "", wanted}, {StepKind::unbind, subject, "", move.driver}};
}

}  // namespace

Snapshot with_lost(Snapshot now, const Binding& recorded) {
  for (const auto& f : recorded.functions) {
    PciFunction lost;
    lost.address = f.address;
    lost.id = f.id;
    lost.driver_override = override_while_binding(f);
    lost.power_control = "on";
    if (f.d3cold_allowed) lost.d3cold_allowed = false;
    now.functions.emplace(f.address, std::move(lost));
  }
  return now;
}

Plan revive(const Snapshot& now, const Drivers& drivers, const Binding& recorded, Revival how) {
  const auto moves = moves_of_all(now, recorded);
  const std::vector<Move> companions_first{moves.rbegin(), moves.rend()};
  auto plan = pin_power(moves);
  append(plan, first_overrides(moves, recorded));
  append(plan, free_all(companions_first, recorded));
  append(plan, how == Revival::reset ? reset_all(companions_first) : find_again(companions_first, recorded));
  append(plan, check_all(moves));
  for (const auto& m : moves) {
    if (how == Revival::rescan) append(plan, claim_found(m, recorded));
    append(plan, bind_freed(m, drivers, plan));
  }
  append(plan, last_overrides(now, moves, recorded));
  return plan;
}

}  // namespace gpuctl
