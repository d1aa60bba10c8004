// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/recovery.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "rebind/bring_back.hpp"
#include "rebind/plan.hpp"

namespace gpuctl {
namespace {

void append(Plan& plan, Plan more) { std::ranges::move(more, std::back_inserter(plan)); }

bool attaches(const JournalContents& journal) { return journal.header.operation == "attach"; }

Problem stuck(const std::string& subject, const std::string& why, const std::string& remedy) {
  return {"gpu-stuck", Severity::blocker, subject, why, remedy};
}

Problems reasons_to_wait(const JournalContents& journal, const Snapshot& now, bool helper_alive) {
  Problems problems;
  for (const auto& [address, f] : now.functions)
    if (f.driver.empty() && !f.uevent_driver.empty())
      problems.push_back(stuck(address.str(),
                               fmt::format("{} still runs remove() for {}.", f.uevent_driver, address.str()),
                               "End whatever uses the GPU; if nothing does, only a reboot helps."));
  if (helper_alive && problems.empty())
    problems.push_back(stuck(journal.slot().str(),
                             fmt::format("Process {} is still in a kernel call for GPU {}.",
                                         journal.header.helper.pid, journal.slot().str()),
                             "End whatever uses the GPU; if nothing does, only a reboot helps."));
  return problems;
}

Problems warnings_of(Problems problems) {
  for (auto& p : problems) p.severity = Severity::warning;
  return problems;
}

/// Each function that is going to lose its driver.
Plan checks(const Snapshot& now, const Binding& home) {
  Plan plan;
  for (const auto& move : moves_back(now, home))
    if (!move.function->driver.empty())
      plan.push_back({StepKind::check_users, move.function->address.str(), "", ""});
  return plan;
}

/// The steps of a release that are not about drivers are done again, all of them: none does harm twice. What
/// it took off the bus has been found again by then.
Plan finish_release(const JournalContents& journal, const Snapshot& now, const Drivers& drivers) {
  Plan plan;
  bool restored = false;
  const auto restore = [&] {
    if (!restored) append(plan, restore_plan(now, drivers, journal.header.home));
    restored = true;
  };
  for (const auto& step : journal.header.plan) {
    const bool loads_driver = step.kind == StepKind::load_module && !step.to.empty();
    if (is_binding_step(step.kind))
      restore();
    else if (step.kind != StepKind::remove &&
             (inverse(step) || (step.kind == StepKind::load_module && !loads_driver)))
      plan.push_back(step);
  }
  restore();
  return plan;
}

/// No plan can be made for what is off the bus.
Plan find_again(const JournalContents& journal) {
  if (!has_step(journal.begun_steps(), StepKind::remove)) return {};
  return {{StepKind::rescan, journal.header.home.gpu.str(), "", ""}};
}

bool goes_home(const JournalContents& journal) {
  const auto begun = journal.begun_steps();
  return !attaches(journal) ||
         std::ranges::any_of(begun, [](const Step& step) { return is_binding_step(step.kind); });
}

bool is_complete(const JournalContents& journal, const Snapshot& now) {
  const bool all_done = !journal.rolling_back && journal.done.size() == journal.header.plan.size();
  return all_done && (attaches(journal) || differences(journal.header.home, now).empty());
}

bool is_fence(const Step& step) {
  return step.kind == StepKind::close_nodes || step.kind == StepKind::open_nodes;
}

Plan reopening(const Plan& done) {
  Plan plan;
  for (const auto& step : done)
    if (step.kind == StepKind::close_nodes) plan.push_back(*inverse(step));
  return plan;
}

/// A guest that runs is a user of the GPU, and so never gets as far as being stopped here.
Plan undo_attach(const JournalContents& journal, const Snapshot& now, const Drivers& drivers) {
  auto plan = rollback_plan(journal.begun_steps(), now, drivers, journal.header.home);
  std::erase_if(plan, [](const Step& s) { return s.kind == StepKind::vm_stop; });
  return plan;
}

bool all_on_vfio(const JournalContents& journal, const Snapshot& now) {
  return !now.functions.empty() && now.functions.size() == journal.header.home.functions.size() &&
         std::ranges::all_of(now.functions, [](const auto& entry) { return entry.second.vfio; });
}

}  // namespace

Plan reopening(const JournalContents& journal) { return reopening(journal.begun_steps()); }

Plan reopening(const JournalHeader& header) { return reopening(header.plan); }

Recovery recovery_plan(const JournalContents& journal, const Snapshot& now, const Drivers& drivers,
                       bool helper_alive) {
  Recovery recovery;
  recovery.problems = reasons_to_wait(journal, now, helper_alive);
  if (!recovery.problems.empty()) return recovery;
  recovery.problems = warnings_of(identity_problems(journal.header.home, now));
  recovery.complete = is_complete(journal, now);
  recovery.may_adopt = attaches(journal) && all_on_vfio(journal, now);
  if (recovery.complete) return recovery;
  recovery.find_again = find_again(journal);
  recovery.goes_home = goes_home(journal);
  recovery.reopen = reopening(journal);
  recovery.plan = checks(now, journal.header.home);
  append(recovery.plan,
         attaches(journal) ? undo_attach(journal, now, drivers) : finish_release(journal, now, drivers));
  std::erase_if(recovery.plan, is_fence);
  return recovery;
}

Recovery recovery_plan(const JournalContents& journal, const RootDir& root) {
  return recovery_plan(journal, read_functions(root, journal.header.home), registered_drivers(root),
                       is_alive(root, journal.header.helper));
}

}  // namespace gpuctl
