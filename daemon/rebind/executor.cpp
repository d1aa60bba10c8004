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

/// A function that was off the bus before the operation and stays there.
bool stays_lost(const Transaction& t, const Step& step, ErrorCode code) {
  const auto address = PciAddress::parse(step.subject);
  return code == ErrorCode::device_gone && address && t.before.find(*address) == nullptr;
}

/// Home without it is better than not at all: the same step would fail the next time too. And an attach
/// starts units for others only.
bool may_be_missed(const Transaction& t, const Step& step, ErrorCode code) {
  if (code == ErrorCode::state_unwritable) return false;
  if (t.operation == attach_operation) return step.kind == StepKind::start_unit;
  return is_dispensable(step) || stays_lost(t, step, code);
}

}  // namespace

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
  return failed(e);
}

Outcome Executor::run_recorded(const Transaction& t, Journal& journal) {
  Progress progress;
  try {
    if (t.operation == attach_operation) bindings_.save(t.home);
  } catch (const Error& e) {
    return roll_back(t, journal, progress, {e.code(), e.what(), false});
  }
  auto failure = forward(t, journal, progress);
  if (!failure && t.operation != attach_operation) failure = prove_home(t.home);
  return failure ? roll_back(t, journal, progress, *failure) : finish(t, journal, progress);
}

std::optional<Executor::Failure> Executor::forward(const Transaction& t, Journal& journal,
                                                   Progress& progress) {
  for (std::size_t i = 0; i < t.plan.size(); ++i) {
    if (hooks_.cancelled && hooks_.cancelled()) return Failure{ErrorCode::cancelled, "cancelled", false};
    const auto failure = try_step(t.plan, i, journal, progress);
    if (!failure) continue;
    if (!may_go_on(t, t.plan[i], failure->code)) return failure;
    progress.missed.emplace(t.plan[i].subject, missed_sentence(t.plan[i], failure->message));
  }
  return std::nullopt;
}

std::optional<Executor::Failure> Executor::try_step(const Plan& plan, std::size_t index, Journal& journal,
                                                    Progress& progress) try {
  run_step(plan, index, journal, progress);
  return std::nullopt;
} catch (const Error& e) {
  tell(index, StepState::failed);
  return Failure{e.code(), e.what(), false};
} catch (const Late& late) {
  tell(index, StepState::failed);
  return Failure{ErrorCode::timed_out, late.message, true};
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
  return !is_vm_step(step.kind) && took > hooks_.deadline(step);
}

bool Executor::too_late(const Step& step, std::chrono::nanoseconds took) const {
  if (!hooks_.given_up) return is_late(step, took);
  return (is_vm_step(step.kind) || is_late(step, took)) && hooks_.given_up();
}

/// An attach that was given up is taken back, whatever its step could be done without.
bool Executor::may_go_on(const Transaction& t, const Step& step, ErrorCode code) const {
  const bool attaches = t.operation == attach_operation;
  if (attaches && hooks_.given_up && hooks_.given_up()) return false;
  return may_be_missed(t, step, code);
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
  const auto begun = steps_at(t.plan, progress.begun);
  find_again(begun);
  const auto plan =
      rollback_plan(begun, read_functions(root_, t.before), registered_drivers(root_), t.before);
  Missed missed;
  auto left = best_effort(plan, &missed);
  if (left.empty()) left = differences(t.before, read_functions(root_, t.before));
  const auto what = sentence(failure.message) + (missed.empty() ? "" : " " + missed_text(missed));
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

/// Plans are made of what is there: what was taken off the bus is looked for first.
void Executor::find_again(const Plan& begun) {
  const auto removed = std::ranges::find(begun, StepKind::remove, &Step::kind);
  if (removed != begun.end()) best_effort({*inverse(*removed)});
}

/// Whoever reacts to functions that come and go - a rule of udev's, a driver that is loaded by itself - may
/// have come in between: that is put right, once.
void Executor::settle(const Binding& home) {
  const auto now = read_functions(root_, home);
  if (differences(home, now).empty() && power_differences(home, now).empty()) return;
  best_effort(restore_plan(now, registered_drivers(root_), home));
}

std::optional<Executor::Failure> Executor::prove_home(const Binding& home) {
  settle(home);
  const auto left = differences(home, read_functions(root_, home));
  if (left.empty()) return std::nullopt;
  return Failure{ErrorCode::kernel_refused, fmt::format("{}", fmt::join(left, "; ")), false};
}

Outcome Executor::finish(const Transaction& t, Journal& journal, const Progress& progress) {
  Outcome outcome{.ending = Ending::succeeded, .error = {}, .message = {}, .healed = false, .left = {}};
  if (!progress.missed.empty())
    outcome.message = fmt::format("{} is {}. {}", t.home.slot().str(),
                                  t.operation == attach_operation ? "with VFIO" : "back on the host",
                                  missed_text(progress.missed));
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
std::vector<std::string> Executor::best_effort(const Plan& plan, Missed* missed, std::set<ErrorCode>* why) {
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
      if (missed != nullptr && is_dispensable(step))
        missed->emplace(step.subject, missed_sentence(step, e.what()));
      else if (e.code() != ErrorCode::device_gone) {
        left.emplace_back(e.what());
        if (why != nullptr) why->insert(e.code());
      }
      tell_undo(step, StepState::failed);
    }
  }
  return left;
}

}  // namespace gpuctl
