// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/carry_out.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "host/device_users.hpp"
#include "host/end_users.hpp"
#include "operations/assignments.hpp"
#include "operations/messages.hpp"
#include "operations/requests.hpp"
#include "operations/services_lock.hpp"
#include "operations/survey.hpp"
#include "os/bound_functions.hpp"
#include "os/log.hpp"
#include "rebind/journal.hpp"
#include "rebind/kernel_performer.hpp"
#include "rebind/live_state.hpp"
#include "rebind/plan.hpp"
#include "rebind/recovery.hpp"
#include "vm/vm_performer.hpp"

namespace gpuctl {
namespace {

using std::chrono::milliseconds;

/// libvirt is loaded when the first step needs it.
class LazyHypervisor {
 public:
  explicit LazyHypervisor(const Platform& platform) : platform_(platform) {}
  Hypervisor& get() {
    if (!hypervisor_) hypervisor_ = platform_.hypervisor();
    return *hypervisor_;
  }
  /// A connection that libvirt has ended stays dead; the next step gets a new one.
  void drop() { hypervisor_.reset(); }

 private:
  const Platform& platform_;
  std::unique_ptr<Hypervisor> hypervisor_;
};

/// A driver's initialization takes seconds, a slow service's stop its 90: each has its own time, and is over
/// before its step is late.
class TimedSystemd : public SystemdControl {
 public:
  explicit TimedSystemd(const Platform& platform)
      : units_(platform.systemd_control(milliseconds(platform.config.timeouts.unit) * 7 / 8)),
        modules_(platform.systemd_control(milliseconds(platform.config.timeouts.module) * 19 / 20)) {}
  void start_unit(const std::string& unit) override { units_->start_unit(unit); }
  void stop_unit(const std::string& unit) override { units_->stop_unit(unit); }
  void restart_unit(const std::string& unit) override { units_->restart_unit(unit); }
  void load_module(const std::string& module) override { modules_->load_module(module); }
  void unload_module(const std::string& module) override { modules_->unload_module(module); }

 private:
  std::unique_ptr<SystemdControl> units_, modules_;
};

/// Beside what their steps need themselves.
ServicesLock::Patience patience(const TimeoutConfig& timeouts) {
  const milliseconds of_unit = milliseconds(timeouts.unit) / 12;
  return {.keep = std::min({milliseconds{5000}, milliseconds(timeouts.other) / 3, of_unit}),
          .start = of_unit};
}

/// Kernel steps to the kernel, domain steps to libvirt.
class Performer : public StepPerformer {
 public:
  Performer(const Platform& platform, const RootDir& root, std::vector<PciAddress> functions,
            KernelPerformer::Users users, bool live)
      : options_{.locks = domain_locks(platform), .live = live},
        pci_(platform.pci_control(root)),
        systemd_(platform),
        hypervisor_(platform),
        nodes_(root),
        services_(platform.runtime_dir / "services", patience(platform.config.timeouts)),
        root_(root),
        functions_(std::move(functions)),
        kernel_(*pci_, systemd_, nodes_, root, functions_, std::move(users)) {}
  void perform(const Step& step) override {
    if (!KernelPerformer::performs(step.kind)) {
      services_.let_start();
      return perform_by_libvirt(step);
    }
    if (step.kind == StepKind::start_unit) return services_.start(step.to, [&] { kernel_.perform(step); });
    if (step.kind == StepKind::stop_unit) services_.keep_stopped(step.from);
    if (step.kind == StepKind::check_users && has_nvidia_driver()) services_.keep_stopped("nvidia");
    kernel_.perform(step);
  }

 private:
  bool has_nvidia_driver() const {
    const auto of_nvidia = bound_to(root_, "nvidia");
    return std::ranges::find_first_of(functions_, of_nvidia) != functions_.end();
  }
  void perform_by_libvirt(const Step& step) try {
    VmPerformer(hypervisor_.get(), options_).perform(step);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::libvirt_unavailable) hypervisor_.drop();
    throw;
  }

  VmPerformerOptions options_;
  std::unique_ptr<PciControl> pci_;
  TimedSystemd systemd_;
  LazyHypervisor hypervisor_;
  DevNodeControl nodes_;
  ServicesLock services_;
  const RootDir& root_;
  std::vector<PciAddress> functions_;
  KernelPerformer kernel_;
};

QuiescePlan only_modules(const QuiescePlan& quiesce) {
  QuiescePlan plan;
  plan.modules = quiesce.modules;
  return plan;
}

/// Those who hold functions once the ones that were asked have had their time to let go, and, if that was
/// forced, those who may be have been ended. Whoever is left then is in the way, forced or not: the kernel
/// would wait for him. Only the first look comes before the modules are unloaded that the kernel's own hold
/// goes with.
KernelPerformer::Users settled_users(const RootDir& root, const Config& config, Force force,
                                     const QuiescePlan& quiesce) {
  return [&root, patience = config.quiesce.settle, force, leaving = quiesce.leaving,
          unloads = only_modules(quiesce)](const std::vector<PciAddress>& functions) mutable {
    const auto settled = [&] { return users_once_settled(root, functions, leaving, patience); };
    if (force == Force::yes) end_users(settled, patience);
    return user_problems(after(std::exchange(unloads, {}), settled()), Force::no);
  };
}

/// What the daemon has said since the operation began.
class Wishes {
 public:
  explicit Wishes(WorkerChannel& daemon) : daemon_(daemon) {}
  bool cancelled() { return hear(), cancelled_; }
  /// It has told everybody that the step failed: whatever the step did then is to be taken back.
  bool given_up() { return hear(), given_up_; }

 private:
  void hear() {
    while (const auto message = daemon_.poll()) {
      cancelled_ |= *message == messages::cancel;
      given_up_ |= *message == messages::given_up;
    }
  }
  WorkerChannel& daemon_;
  bool cancelled_{}, given_up_{};
};

ExecutorHooks hooks_to(WorkerChannel& daemon, const Config& config, Force force) {
  ExecutorHooks hooks;
  hooks.deadline = [timeouts = config.step_timeouts(), force](const Step& step) {
    return timeouts.of(step.kind, force == Force::yes);
  };
  hooks.progress = [&daemon](std::size_t index, StepState state) {
    daemon.send(messages::progress(index, state));
  };
  hooks.undo_progress = [&daemon](const Step& step, StepState state) {
    daemon.send(messages::undo(step, state));
  };
  const auto wishes = std::make_shared<Wishes>(daemon);
  hooks.cancelled = [wishes] { return wishes->cancelled(); };
  hooks.given_up = [wishes] { return wishes->given_up(); };
  return hooks;
}

OperationState state_of(Ending ending) { return operation_state(to_string(ending)); }

void tell_end(WorkerChannel& daemon, const Outcome& outcome) {
  const auto error = outcome.error ? std::string{error_name(*outcome.error)} : std::string{};
  daemon.send(messages::end(state_of(outcome.ending), error, outcome.message));
}

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Will the domain have it while it runs? A --live of one that is off only defines it.
bool will_run(const Survey& survey, const std::optional<Assignment>& before) {
  return has_step(survey.plan, StepKind::vm_start) || has_step(survey.plan, StepKind::vm_plug) ||
         (before && before->vm_uuid == survey.vm_uuid && before->running);
}

/// Written before the domain is touched, so that no device of ours is ever in a definition unknown to us. It
/// is settled with the operation's end, by recovery if need be.
void note_assignment(const Request& request, const Prepared& prepared, const Gpu& gpu, std::uint32_t uid,
                     const std::optional<Assignment>& before, Assignments& assignments) {
  if (request.verb != Verb::attach || prepared.survey.vm_uuid.empty()) return;
  Assignment noted{
      gpu.slot(),    gpu.functions, prepared.survey.vm_uuid,          prepared.survey.vm_name, uid,
      now_seconds(), request.keep,  will_run(prepared.survey, before)};
  if (before) noted.displaced = {*before};
  noted.forced = request.force || (before && before->vm_uuid == noted.vm_uuid && before->forced);
  noted.unsettled = true;
  assignments.save(noted);
}

void tell_not_recorded(PciSlot slot, const Error& error) {
  log(events::warning, fmt::format("what became of the GPU {} is not recorded: {}", slot.str(), error.what()),
      {.gpu = slot.str()});
}

/// `before`: as it was when the operation began.
void settle_assignment(const Request& request, const Prepared& prepared, const Outcome& outcome,
                       const std::optional<Assignment>& before, PciSlot slot, Assignments& assignments) try {
  const bool succeeded = outcome.ending == Ending::succeeded;
  if (request.verb == Verb::attach && succeeded) return assignments.confirm(slot);
  if (request.verb == Verb::release && succeeded && request.by_itself && before)
    return assignments.settle(*before);
  if (request.verb == Verb::release && succeeded && !request.by_itself) {
    if (!keeps_definition(prepared.survey.problems)) assignments.remove(slot);
  }
  if (request.verb == Verb::attach && !succeeded && outcome.left.empty()) {
    if (before) return assignments.save(*before);
    assignments.remove(slot);
  }
} catch (const Error& error) {  // the GPU is where the operation says: what libvirt says is asked next time
  tell_not_recorded(slot, error);
}

bool changes_definition(const Plan& plan, const std::string& vm_uuid) {
  return std::ranges::any_of(plan, [&](const Step& step) {
    return (step.kind == StepKind::vm_remove_devices || step.kind == StepKind::vm_unplug) &&
           step.subject == vm_uuid;
  });
}

/// An attach that stays has its record of where the GPU belongs still.
void settle_recovered(const JournalContents& journal, bool has_record, Assignments& assignments) try {
  const auto assignment = assignments.find(journal.slot());
  if (!assignment) return;
  if (journal.header.operation == "attach") {
    if (has_record) return assignments.confirm(journal.slot());
    if (assignment->unsettled) assignments.take_back(*assignment);
    return;
  }
  if (changes_definition(journal.header.plan, assignment->vm_uuid)) return assignments.remove(journal.slot());
  if (assignment->returning) assignments.settle(*assignment);
} catch (const Error& error) {
  tell_not_recorded(journal.slot(), error);
}

/// A card that does not answer is one that recovery could not bring home. While its helper sits in the kernel
/// the journal stays, and with it the refusal.
void supersede(JournalStore& journals, PciSlot gpu, const RootDir& root, StepPerformer& performer) {
  const auto journal = journals.find(gpu, boot_id(root));
  const bool helper_lives = journal && is_alive(root, journal->header.helper);
  if (helper_lives || !journals.has(gpu)) return;
  if (journal)
    for (const auto& step : reopening(*journal)) performer.perform(step);
  journals.forget(gpu);
}

Outcome execute(WorkerChannel& daemon, const Request& request, const Gpu& gpu, const Platform& platform,
                const Prepared& prepared) {
  const RootDir root(platform.root);
  StateDir journal_dir(platform.runtime_dir / "journal");
  StateDir bindings_dir(platform.runtime_dir / "bindings");
  JournalStore journals(journal_dir);
  SavedBindings bindings(bindings_dir, boot_id(root));
  const auto force = request.force ? Force::yes : Force::no;
  Performer performer(platform, root, gpu.functions,
                      settled_users(root, platform.config, force, prepared.quiesce), request.live);
  if (request.revival != Revival::none) supersede(journals, gpu.slot(), root, performer);
  return Executor(performer, root, journals, bindings, hooks_to(daemon, platform.config, force))
      .run(prepared.transaction);
}

/// All that it holds is gone when its end is told.
Outcome recover(WorkerChannel& daemon, const JournalContents& journal,
                const std::vector<PciAddress>& functions, const Platform& platform, SavedBindings& bindings,
                JournalStore& journals) {
  const RootDir root(platform.root);
  Performer performer(platform, root, functions, settled_users(root, platform.config, Force::no, {}), true);
  return Executor(performer, root, journals, bindings, hooks_to(daemon, platform.config, Force::no))
      .recover(journal);
}

}  // namespace

void carry_out(WorkerChannel& daemon, const Request& request, const Snapshot& snapshot,
               const Platform& platform, std::uint32_t started_by, const std::optional<Prepared>& seen) try {
  auto prepared = seen ? *seen : prepare(request, snapshot, platform);
  if (is_blocked(prepared.survey.problems)) throw blocked_error(prepared.survey.problems);
  const auto& gpu = *snapshot.gpu_of(*PciAddress::parse(request.gpu));
  StateDir assignment_dir(platform.state_dir / "assignments");
  Assignments assignments(assignment_dir, boot_id(RootDir(platform.root)));
  const auto before = assignments.find(gpu.slot());
  daemon.send(messages::looked());
  note_assignment(request, prepared, gpu, started_by, before, assignments);
  prepared.transaction.started_by = started_by;
  daemon.send(messages::plan(prepared.survey.plan));
  const auto outcome = execute(daemon, request, gpu, platform, prepared);
  settle_assignment(request, prepared, outcome, before, gpu.slot(), assignments);
  tell_end(daemon, outcome);
} catch (const Error& e) {
  daemon.send(messages::error(e));
}

void carry_out_recovery(WorkerChannel& daemon, PciSlot slot, const Snapshot& snapshot,
                        const Platform& platform) {
  const RootDir root(platform.root);
  StateDir journal_dir(platform.runtime_dir / "journal");
  StateDir bindings_dir(platform.runtime_dir / "bindings");
  JournalStore journals(journal_dir);
  SavedBindings bindings(bindings_dir, boot_id(root));
  const auto journal = journals.find(slot, boot_id(root));
  if (!journal) return;
  std::vector<PciAddress> functions;
  for (const auto& f : journal->header.home.functions)
    if (snapshot.find(f.address) != nullptr) functions.push_back(f.address);
  const auto outcome = recover(daemon, *journal, functions, platform, bindings, journals);
  StateDir assignment_dir(platform.state_dir / "assignments");
  Assignments assignments(assignment_dir, boot_id(root));
  if (outcome.ending == Ending::succeeded)
    settle_recovered(*journal, bindings.find(slot).has_value(), assignments);
  tell_end(daemon, outcome);
}

}  // namespace gpuctl
