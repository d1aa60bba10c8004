// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/executor.hpp"

#include <unistd.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rebind/live_state.hpp"
#include "rebind/plan.hpp"
#include "rebind/recovery.hpp"

namespace gpuctl {
namespace {

constexpr auto attach_operation = "attach";

std::string or_none(const std::string& driver) { return driver.empty() ? "no driver" : driver; }

std::string sentence(std::string text) {
  if (!text.empty() && !text.ends_with('.')) text += '.';
  return text;
}

Plan steps_at(const Plan& plan, const std::vector<std::size_t>& indices) {
  Plan steps;
  for (const auto index : indices) steps.push_back(plan.at(index));
  return steps;
}

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

/// Thrown when a step came back after its deadline, with whatever result.
struct Late {
  std::string message;
};

Late late(const Step& step, std::chrono::nanoseconds took, const std::string& error = "") {
  return {fmt::format("{}: {} took {:.0f} s{}{}", step.subject, to_string(step.kind), seconds(took),
                      error.empty() ? "" : " and then failed: ", error)};
}

}  // namespace

std::vector<std::string> differences(const Binding& binding, const Snapshot& now) {
  std::vector<std::string> found;
  for (const auto& recorded : binding.functions) {
    const auto* f = now.find(recorded.address);
    if (f == nullptr || f->id != recorded.id) continue;
    const auto address = f->address.str();
    if (f->driver != recorded.driver)
      found.push_back(
          fmt::format("{} has {} instead of {}", address, or_none(f->driver), or_none(recorded.driver)));
    if (f->driver_override != recorded.driver_override)
      found.push_back(fmt::format("{} has driver_override '{}' instead of '{}'", address, f->driver_override,
                                  recorded.driver_override));
  }
  return found;
}

Executor::Executor(StepPerformer& performer, const RootDir& root, JournalStore& journals,
                   SavedBindings& bindings, ExecutorHooks hooks)
    : performer_(performer), root_(root), journals_(journals), bindings_(bindings), hooks_(std::move(hooks)) {
  if (!hooks_.deadline) hooks_.deadline = step_deadline;
  if (!hooks_.now) hooks_.now = [] { return std::chrono::steady_clock::now(); };
}

void Executor::tell(std::size_t step, StepState state) const {
  if (hooks_.progress) hooks_.progress(step, state);
}

void Executor::tell_undo(const Step& step, StepState state) const {
  if (hooks_.undo_progress) hooks_.undo_progress(step, state);
}

JournalHeader Executor::header(const Transaction& t) const {
  return {.operation = t.operation,
          .plan = t.plan,
          .before = t.before,
          .home = t.home,
          .boot_id = boot_id(root_),
          .helper = process_id(root_, ::getpid()),
          .vm = t.vm,
          .started_by = t.started_by};
}

Outcome Executor::run(const Transaction& t) try {
  auto journal = journals_.create(header(t));
  return run_recorded(t, journal);
} catch (const Error& e) {
  return {.ending = Ending::failed,
          .error = e.code(),
          .message = sentence(e.what()),
          .healed = false,
          .left = {}};
}

Outcome Executor::run_recorded(const Transaction& t, Journal& journal) {
  Progress progress;
  try {
    if (t.operation == attach_operation) bindings_.save(t.home);
  } catch (const Error& e) {
    return roll_back(t, journal, progress, {e.code(), e.what(), false});
  }
  const auto failure = forward(t.plan, journal, progress);
  return failure ? roll_back(t, journal, progress, *failure) : finish(t, journal);
}

std::optional<Executor::Failure> Executor::forward(const Plan& plan, Journal& journal, Progress& progress) {
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (hooks_.cancelled && hooks_.cancelled()) return Failure{ErrorCode::cancelled, "cancelled", false};
    try {
      run_step(plan, i, journal, progress);
      continue;
    } catch (const Error& e) {
      tell(i, StepState::failed);
      return Failure{e.code(), e.what(), false};
    } catch (const Late& late) {
      tell(i, StepState::failed);
      return Failure{ErrorCode::timed_out, late.message, true};
    }
  }
  return std::nullopt;
}

void Executor::run_step(const Plan& plan, std::size_t index, Journal& journal, Progress& progress) {
  const auto& step = plan.at(index);
  journal.begin(index);
  progress.begun.push_back(index);
  tell(index, StepState::running);
  const auto took = perform_timed(step);
  journal.done(index);
  progress.done.push_back(index);
  if (too_late(step, took)) throw late(step, took);
  tell(index, StepState::done);
}

bool Executor::is_late(const Step& step, std::chrono::nanoseconds took) const {
  return took > hooks_.deadline(step);
}

bool Executor::too_late(const Step& step, std::chrono::nanoseconds took) const {
  return is_late(step, took) && !(hooks_.accept_late && hooks_.accept_late());
}

std::chrono::nanoseconds Executor::perform_timed(const Step& step) {
  const auto start = hooks_.now();
  try {
    performer_.perform(step);
  } catch (const Error& e) {
    const auto took = hooks_.now() - start;
    if (is_late(step, took)) throw late(step, took, e.what());
    throw;
  }
  return hooks_.now() - start;
}

Outcome Executor::roll_back(const Transaction& t, Journal& journal, const Progress& progress,
                            const Failure& failure) {
  try {
    journal.rolling_back();
  } catch (const Error&) {
    // A full disk must not keep the GPU from coming back; recovery goes by sysfs.
  }
  const auto plan = rollback_plan(steps_at(t.plan, progress.begun), read_functions(root_, t.before),
                                  registered_drivers(root_), t.before);
  auto left = best_effort(plan);
  if (left.empty()) left = differences(t.before, read_functions(root_, t.before));
  const auto what = sentence(failure.message);
  if (!left.empty())
    return {Ending::failed, ErrorCode::rollback_failed,
            fmt::format("{} It could not all be taken back: {}.", what, fmt::join(left, "; ")), false, left};
  for (auto i = progress.done.rbegin(); i != progress.done.rend(); ++i) tell(*i, StepState::undone);
  Outcome outcome{.ending = failure.code == ErrorCode::cancelled ? Ending::cancelled : Ending::rolled_back,
                  .error = failure.code,
                  .message = what,
                  .healed = failure.late,
                  .left = {}};
  tidy_up(t, journal, t.operation == attach_operation && t.before.functions == t.home.functions, outcome);
  return outcome;
}

Outcome Executor::finish(const Transaction& t, Journal& journal) {
  Outcome outcome{.ending = Ending::succeeded, .error = {}, .message = {}, .healed = false, .left = {}};
  tidy_up(t, journal, t.operation != attach_operation, outcome);
  return outcome;
}

/// What cannot be removed now is found by recovery, which then has nothing to do but this.
void Executor::tidy_up(const Transaction& t, Journal& journal, bool forget_record, Outcome& outcome) {
  try {
    if (forget_record) bindings_.remove(t.home.slot());
    journal.close();
  } catch (const Error& e) {
    outcome.message += (outcome.message.empty() ? "" : " ") + sentence(e.what());
  }
}

/// All of it, whatever fails. A function whose step failed is neither unbound nor bound any more; its
/// override and its power settings are still put right. One that has left the bus has nothing to restore.
std::vector<std::string> Executor::best_effort(const Plan& plan) {
  std::vector<std::string> left;
  std::set<std::string> given_up;
  for (const auto& step : plan) {
    const bool changes_driver = step.kind == StepKind::unbind || step.kind == StepKind::bind;
    if (changes_driver && given_up.contains(step.subject)) continue;
    tell_undo(step, StepState::running);
    try {
      performer_.perform(step);
      tell_undo(step, StepState::done);
    } catch (const Error& e) {
      given_up.insert(step.subject);
      if (e.code() != ErrorCode::device_gone) left.emplace_back(e.what());
      tell_undo(step, StepState::failed);
    }
  }
  return left;
}

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
  auto left = best_effort({first_effect, plan.end()});
  std::ranges::move(best_effort(recovery.reopen), std::back_inserter(left));
  if (left.empty()) return drop(contents, journal, false);
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
      tell_undo(check, StepState::running);  // whoever watches the steps' deadlines watches this one too
      performer_.perform(check);
    } catch (const Error& e) {
      if (e.code() == ErrorCode::device_gone) continue;
      const bool open = best_effort(recovery.reopen).empty();
      if (e.code() == ErrorCode::blocked && recovery.may_adopt && open) return drop(contents, journal, true);
      return Outcome{Ending::failed, e.code(), sentence(e.what()), false, {e.what()}};
    }
  return std::nullopt;
}

Outcome Executor::drop(const JournalContents& contents, Journal& journal, bool keep_record) {
  if (!keep_record) bindings_.remove(contents.slot());
  journal.close();
  return {.ending = Ending::succeeded, .error = {}, .message = {}, .healed = false, .left = {}};
}

}  // namespace gpuctl
