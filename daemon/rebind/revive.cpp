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

/// A function that came back from a scan may have its driver already; binding it again does nothing.
Plan bind_all(const std::vector<Move>& moves, const Drivers& drivers, const Plan& before) {
  Plan plan;
  for (const auto& m : moves)
    plan.push_back({StepKind::check_present, m.function->address.str(), "", m.function->id.ids()});
  for (const auto& m : moves) {
    auto freed = *m.function;
    freed.driver.clear();
    auto so_far = before;
    append(so_far, plan);
    append(plan, rebind_steps({&freed, m.driver, m.module}, drivers, Presence::assumed, so_far));
  }
  return plan;
}

}  // namespace

bool resets_alone(const PciFunction& function, bool has_neighbours) {
  return std::ranges::any_of(function.reset_methods, [has_neighbours](const std::string& method) {
    return method != "bus" || !has_neighbours;
  });
}

Plan revive(const Snapshot& now, const Drivers& drivers, const Binding& recorded, Revival how) {
  const auto moves = moves_of_all(now, recorded);
  const std::vector<Move> companions_first{moves.rbegin(), moves.rend()};
  auto plan = pin_power(moves);
  append(plan, first_overrides(moves, recorded));
  append(plan, free_all(companions_first, recorded));
  append(plan, how == Revival::reset ? reset_all(companions_first) : find_again(companions_first, recorded));
  append(plan, bind_all(moves, drivers, plan));
  append(plan, last_overrides(now, moves, recorded));
  return plan;
}

}  // namespace gpuctl
