// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rebind/executor.hpp"
#include "rebind/live_state.hpp"
#include "rebind/plan.hpp"

namespace gpuctl {
namespace {

std::optional<std::string> reason_to_wait(const Recovery& recovery) {
  for (const auto& problem : recovery.problems)
    if (problem.severity == Severity::blocker) return problem.message;
  return std::nullopt;
}

Outcome unfinished(const std::vector<std::string>& left, const std::set<ErrorCode>& why = {}) {
  const bool by_libvirt = why == std::set{ErrorCode::libvirt_unavailable};
  return {Ending::failed, by_libvirt ? ErrorCode::libvirt_unavailable : ErrorCode::rollback_failed,
          fmt::format("Not all is as it was: {}.", fmt::join(left, "; ")), false, left};
}

/// Without a disturbance of those that run.
Plan as_they_run(Plan starts) {
  std::erase_if(starts, [](const Step& step) { return step.from == for_others; });
  for (auto& step : starts) step.from.clear();
  return starts;
}

/// Services look for GPUs when they start: once all is where it belongs, and not again with each attempt.
Plan take_starts(Plan& plan) {
  const auto starts = [](const Step& step) { return step.kind == StepKind::start_unit; };
  Plan taken;
  std::ranges::copy_if(plan, std::back_inserter(taken), starts);
  std::erase_if(plan, starts);
  return taken;
}

}  // namespace

Outcome Executor::recover(const JournalContents& contents) try {
  auto recovery = recovery_plan(contents, root_);
  if (const auto reason = reason_to_wait(recovery))
    return {Ending::failed, ErrorCode::timed_out, *reason, false, {*reason}};
  auto journal = journals_.reopen(contents);
  if (recovery.complete) return drop(contents, journal);
  journal.helper(process_id(root_, ::getpid()));
  if (const auto left = best_effort(recovery.find_again); !left.empty()) return unfinished(left);
  if (!recovery.find_again.empty()) recovery = recovery_plan(contents, root_);
  return carry_out(contents, recovery, journal);
} catch (const Error& e) {
  return failed(e);
}

Outcome Executor::carry_out(const JournalContents& contents, const Recovery& recovery, Journal& journal) {
  if (const auto reason = reason_to_wait(recovery)) return unfinished({*reason});
  auto plan = recovery.plan;
  const auto starts = take_starts(plan);
  const auto first_effect =
      std::ranges::find_if(plan, [](const Step& s) { return s.kind != StepKind::check_users; });
  if (auto outcome = refused({plan.begin(), first_effect}, contents, recovery, journal)) return *outcome;
  Missed missed;
  std::set<ErrorCode> why;
  auto left = best_effort({first_effect, plan.end()}, &missed, &why);
  std::ranges::move(best_effort(recovery.reopen, nullptr, &why), std::back_inserter(left));
  if (left.empty() && recovery.goes_home) left = not_home(contents.header.home);
  const bool home = differences(contents.header.home, read_functions(root_, contents.header.home)).empty();
  if (!left.empty() && home) best_effort(as_they_run(starts), &missed);
  if (!left.empty()) return unfinished(left, why);
  best_effort(starts, &missed);
  return drop(contents, journal, missed);
}

std::vector<std::string> Executor::not_home(const Binding& home) {
  settle(home);
  const auto now = read_functions(root_, home);
  auto left = differences(home, now);
  std::ranges::move(power_differences(home, now), std::back_inserter(left));
  return left;
}

std::optional<Outcome> Executor::refused(const Plan& checks, const JournalContents& contents,
                                         const Recovery& recovery, Journal& journal) {
  for (const auto& check : checks) try {
      tell_undo(check, StepState::running);  // whoever watches the steps' deadlines watches this one too
      performer_.perform(check);
    } catch (const Error& e) {
      if (e.code() == ErrorCode::device_gone) continue;
      const bool open = best_effort(recovery.reopen).empty();
      if (e.code() == ErrorCode::blocked && recovery.may_adopt && open) return drop(contents, journal);
      return Outcome{Ending::failed, e.code(), sentence(e.what()), false, {e.what()}};
    }
  return std::nullopt;
}

/// Where the GPU is not home, the record of it is still needed.
Outcome Executor::drop(const JournalContents& contents, Journal& journal, const Missed& missed) {
  const auto& home = contents.header.home;
  if (differences(home, read_functions(root_, home)).empty()) bindings_.remove(contents.slot());
  journal.close();
  return {
      .ending = Ending::succeeded, .error = {}, .message = missed_text(missed), .healed = false, .left = {}};
}

}  // namespace gpuctl
