// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/step.hpp"
#include "os/root_dir.hpp"
#include "rebind/journal.hpp"
#include "rebind/performer.hpp"
#include "rebind/recovery.hpp"
#include "rebind/saved_bindings.hpp"

namespace gpuctl {

/// One attach or release, ready to run.
struct Transaction {
  std::string operation;  ///< "attach" | "release"
  Plan plan;
  Binding before;  ///< as it is now: where a rollback goes
  Binding home;    ///< the host side: what attach records, where release and recovery go
  std::string vm;  ///< UUID; empty = none
  unsigned started_by{};
  bool operator==(const Transaction&) const = default;
};

enum class Ending { succeeded, rolled_back, failed, cancelled };
std::string_view to_string(Ending ending);  ///< as the D-Bus property: "rolled-back"

struct Outcome {
  Ending ending{};
  std::optional<ErrorCode> error;  ///< none on success
  std::string message;  ///< one sentence: device, step, errno; then what is left, if anything. On success
                        ///< empty, or what is missing although the GPU is where it should be
  bool healed{};        ///< a step came back after its deadline, and what it did was taken back
  std::vector<std::string> left;  ///< what the rollback could not restore, a sentence each
  bool operator==(const Outcome&) const = default;
};
std::string encode(const Outcome& outcome);       ///< for the way from the helper process to the daemon
Outcome decode_outcome(const std::string& text);  ///< throws Error(internal)

/// Whether libvirt does the step. Such a step is never late, unless it was given up: a guest whose memory
/// takes minutes to pin has started all the same, and taking that back would stop it.
bool is_vm_step(StepKind kind);

/// How long a step may take before its GPU counts as stuck; for the daemon's watch on the helper and the
/// executor.
std::chrono::milliseconds step_deadline(const Step& step);

struct ExecutorHooks {
  std::function<void(std::size_t step, StepState)> progress;       ///< steps of the plan
  std::function<void(const Step&, StepState)> undo_progress;       ///< steps of a rollback or recovery
  std::function<bool()> cancelled;                                 ///< asked before each step
  std::function<std::chrono::milliseconds(const Step&)> deadline;  ///< step_deadline unless told
  std::function<std::chrono::steady_clock::time_point()> now;      ///< the clock unless told
  /// Asked when a step came back late, or libvirt did: whether everybody has been told that it failed, so
  /// that what it did is to be taken back. Unless told: yes of what is late, no of libvirt.
  std::function<bool()> given_up;
};

/// With its full stop.
std::string sentence(std::string text);

/// Nothing has been done, or nothing more.
Outcome failed(const Error& error);

/// A unit that is started again, a module that no driver is bound by: the GPU is home without it.
bool is_dispensable(const Step& step);
/// Steps that failed and ended nothing: what to do about each, by its subject.
using Missed = std::map<std::string, std::string>;
/// "nvidia-persistenced.service was not started (...); start it with: ..."
std::string missed_sentence(const Step& step, const std::string& why);
/// One text of all.
std::string missed_text(const Missed& missed);

/// Carries a plan out, one journalled step after the other, and takes it back if a step fails or comes late
/// or the operation is cancelled. Blocks as long as the kernel does: runs in an expendable process. Only
/// gpuctl::Error is caught; anything else leaves the journal for recovery.
class Executor {
 public:
  /// `performer` must know every kind of step in the plans, and take inverses that have nothing to undo as
  /// done.
  Executor(StepPerformer& performer, const RootDir& root, JournalStore& journals, SavedBindings& bindings,
           ExecutorHooks hooks = {});

  /// The record of an attach is saved before its first effect and forgotten when it is rolled back; a release
  /// forgets it at the end. A release goes on without what is_dispensable(), and says so in its message.
  /// Failed with state_unwritable: nothing was changed.
  Outcome run(const Transaction& transaction);

  /// Runs recovery_plan() of an interrupted operation; see rebind/recovery.hpp. All went well: the journal is
  /// dropped, and the record if the GPU is home. Otherwise they stay, and this can be called again. Failed
  /// with libvirt_unavailable: that alone is in the way.
  Outcome recover(const JournalContents& journal);

 private:
  struct Failure {
    ErrorCode code{};
    std::string message;
    bool late{};
  };
  struct Progress {
    std::vector<std::size_t> begun;
    std::vector<std::size_t> done;
    Missed missed;
  };

  Outcome run_recorded(const Transaction&, Journal&);
  std::optional<Failure> forward(const Transaction&, Journal&, Progress&);
  std::optional<Failure> try_step(const Plan&, std::size_t index, Journal&, Progress&);
  void run_step(const Plan&, std::size_t index, Journal&, Progress&);
  std::chrono::nanoseconds perform_timed(const Step&);
  bool is_late(const Step&, std::chrono::nanoseconds took) const;
  bool too_late(const Step&, std::chrono::nanoseconds took) const;
  bool may_go_on(const Transaction&, const Step&, ErrorCode) const;
  Outcome roll_back(const Transaction&, Journal&, const Progress&, const Failure&);
  Outcome finish(const Transaction&, Journal&, const Progress&);
  void tidy_up(const Transaction&, Journal&, bool forget_record, Outcome&);
  std::vector<std::string> best_effort(const Plan&, Missed* missed = nullptr,
                                       std::set<ErrorCode>* why = nullptr);
  void find_again(const Plan& begun);
  void settle(const Binding& home);
  std::optional<Failure> prove_home(const Binding& home);
  Outcome carry_out(const JournalContents&, const Recovery&, Journal&);
  std::vector<std::string> not_home(const Binding& home);
  std::optional<Outcome> refused(const Plan& checks, const JournalContents&, const Recovery&, Journal&);
  Outcome drop(const JournalContents&, Journal&, const Missed& missed = {});
  JournalHeader header(const Transaction&) const;
  void tell(std::size_t step, StepState state) const;
  void tell_undo(const Step& step, StepState state) const;

  StepPerformer& performer_;
  const RootDir& root_;
  JournalStore& journals_;
  SavedBindings& bindings_;
  ExecutorHooks hooks_;
};

}  // namespace gpuctl
