// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rebind/executor.hpp"
#include "rebind/live_state.hpp"

namespace gpuctl {
namespace {

constexpr auto attach_operation = "attach";

}  // namespace

Outcome Executor::recover(const JournalContents& contents) try {
  const auto recovery = recovery_plan(contents, root_);
  for (const auto& problem : recovery.problems)
    if (problem.severity == Severity::blocker)
      return {Ending::failed, ErrorCode::timed_out, problem.message, false, {problem.message}};
  auto journal = journals_.reopen(contents);
  const bool attached = contents.header.operation == attach_operation;
  if (recovery.complete) return drop(contents, journal, attached);
  journal.helper(process_id(root_, ::getpid()));
  const auto& plan = recovery.plan;
  const auto first_effect =
      std::ranges::find_if(plan, [](const Step& s) { return s.kind != StepKind::check_users; });
  if (auto outcome = refused({plan.begin(), first_effect}, contents, recovery, journal)) return *outcome;
  Missed missed;
  auto left = best_effort({first_effect, plan.end()}, &missed);
  std::ranges::move(best_effort(recovery.reopen), std::back_inserter(left));
  if (left.empty()) return drop(contents, journal, false, missed);
  return {Ending::failed, ErrorCode::rollback_failed,
          fmt::format("Not all is as it was: {}.", fmt::join(left, "; ")), false, left};
} catch (const Error& e) {
  return {.ending = Ending::failed,
          .error = e.code(),
          .message = sentence(e.what()),
          .healed = false,
          .left = {}};
}

std::optional<Outcome> Executor::refused(const Plan& checks, const JournalContents& contents,
                                         const Recovery& recovery, Journal& journal) {
  for (const auto& check : checks) try {
      performer_.perform(check);
    } catch (const Error& e) {
      if (e.code() == ErrorCode::device_gone) continue;
      const bool open = best_effort(recovery.reopen).empty();
      if (e.code() == ErrorCode::blocked && recovery.may_adopt && open) return drop(contents, journal, true);
      return Outcome{Ending::failed, e.code(), sentence(e.what()), false, {e.what()}};
    }
  return std::nullopt;
}

Outcome Executor::drop(const JournalContents& contents, Journal& journal, bool keep_record,
                       const Missed& missed) {
  if (!keep_record) bindings_.remove(contents.slot());
  journal.close();
  return {
      .ending = Ending::succeeded, .error = {}, .message = missed_text(missed), .healed = false, .left = {}};
}

}  // namespace gpuctl
