// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/recoveries.hpp"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "operations/assignments.hpp"
#include "operations/carry_out.hpp"
#include "os/log.hpp"
#include "rebind/kernel_performer.hpp"
#include "rebind/live_state.hpp"
#include "rebind/recovery.hpp"

namespace gpuctl {
namespace {

/// Nothing else is done by a journal that is damaged: a device file that nobody may open is either closed by
/// that operation, or its mode is left as it is.
void reopen_nodes(const JournalHeader& header, const RootDir& root) {
  DevNodeControl nodes(root);
  for (const auto& step : reopening(header)) try {
      open_nodes(nodes, step);
    } catch (const Error& error) {
      log(events::warning, error.what(), {.gpu = header.home.slot().str()});
    }
}

std::vector<PciAddress> functions_of(const Binding& binding) {
  std::vector<PciAddress> functions;
  for (const auto& f : binding.functions) functions.push_back(f.address);
  return functions;
}

/// What may make possible what was not: a function comes or goes, or its driver does. Its power alone, which
/// a failed recovery changes too, is no reason to begin again.
using Bound = std::map<PciAddress, std::array<std::string, 3>>;
Bound bound(PciSlot slot, const Snapshot& snapshot) {
  Bound found;
  for (const auto& [address, f] : snapshot.functions)
    if (address.slot() == slot) found[address] = {f.driver, f.uevent_driver, f.driver_override};
  return found;
}

}  // namespace

std::vector<PciAddress> functions_held_by_helpers(const Platform& platform) {
  StateDir dir(platform.runtime_dir / "journal");
  const JournalStore journals(dir);
  const RootDir root(platform.root);
  std::vector<PciAddress> held;
  for (const auto& name : dir.list()) {
    const auto slot = PciSlot::parse(name);
    const auto journal = slot ? journals.find(*slot, boot_id(root)) : std::nullopt;
    if (journal && is_alive(root, journal->header.helper))
      std::ranges::copy(functions_of(journal->header.home), std::back_inserter(held));
  }
  return held;
}

Recoveries::Recoveries(EventLoop& loop, Inventory& inventory, OperationList& operations, Runner& runner,
                       Platform platform, Retries retries)
    : loop_(loop),
      inventory_(inventory),
      operations_(operations),
      runner_(runner),
      platform_(std::move(platform)),
      retries_(retries) {
  runner_.on_crash([this](PciSlot gpu) {
    remove_unfinished(gpu.str());
    settle_assignment(gpu);
    pending_.insert(gpu);
    if (!waits_.contains(gpu)) keep_trying(gpu);
  });
  runner_.on_gone([this](PciSlot gpu) {
    if (worker_lives_.erase(gpu) != 0) loop_.defer([this, gpu] { try_to_recover(gpu); });
  });
  // What has left its journal - a way back that failed half-way, an end that could not remove it - is not
  // over; a failed recovery waits for a change, for libvirt, or for a release.
  const auto ignore = [](const Operation&) {};
  const auto finished = [this](const Operation& operation) {
    if (operation.kind == "recover") return recovery_ended(operation);
    const bool had_nothing_to_do = operation.state == OperationState::succeeded && operation.steps.empty();
    if (had_nothing_to_do) return;
    waits_.erase(operation.gpu);
    const bool over = operation.state != OperationState::failed && !has_journal(operation.gpu);
    if (!over) recover_later(operation.gpu);
  };
  operations_.observe({ignore, ignore, finished, [](unsigned) {}});
  inventory_.on_change([this](const Snapshot& before, const Snapshot& now) {
    if (std::ranges::any_of(pending_, [&](PciSlot gpu) { return bound(gpu, before) != bound(gpu, now); }))
      retry();
  });
}

void Recoveries::start() {
  StateDir dir(platform_.runtime_dir / "journal");
  const RootDir root(platform_.root);
  const auto loaded = JournalStore(dir).load(boot_id(root));
  remove_unfinished("");
  for (const auto& problem : loaded.problems)
    log(events::warning, fmt::format("{} {}", problem.message, problem.remedy));
  for (const auto& header : loaded.headers) reopen_nodes(header, root);
  for (const auto& journal : loaded.unfinished) pending_.insert(journal.slot());
  for (const auto gpu : std::set<PciSlot>(pending_)) try_to_recover(gpu);
  StateDir assignments(platform_.state_dir / "assignments");
  for (const auto& [gpu, assignment] : Assignments(assignments).all()) settle_assignment(gpu);
}

/// What a process that was killed was about to write.
void Recoveries::remove_unfinished(const std::string& of) const {
  const auto& run = platform_.runtime_dir;
  for (const auto& dir : {run / "journal", run / "bindings", platform_.state_dir / "assignments"})
    StateDir(dir).remove_unfinished(of);
}

bool Recoveries::is_home(PciSlot slot) const {
  const auto& snapshot = inventory_.snapshot();
  const auto gpu = snapshot.gpus.find(slot);
  return gpu != snapshot.gpus.end() && is_at_home(gpu->second, snapshot);
}

bool Recoveries::has_journal(PciSlot slot) const {
  StateDir journals(platform_.runtime_dir / "journal");
  return JournalStore(journals).has(slot);
}

/// An attach was killed before its journal was there, or when it was gone again. With the GPU at home it has
/// done nothing or taken all back; else what it said is believed.
void Recoveries::settle_assignment(PciSlot slot) try {
  StateDir dir(platform_.state_dir / "assignments");
  Assignments assignments(dir, boot_id(RootDir(platform_.root)));
  const auto assignment = assignments.find(slot);
  const bool unsettled = assignment && assignment->unsettled;
  if (!unsettled || has_journal(slot) || operations_.running_on(slot) != nullptr) return;
  const bool undone = is_home(slot) && !assignments.is_of_another_boot(*assignment);
  undone ? assignments.take_back(*assignment) : assignments.confirm(slot);
} catch (const Error& error) {
  log(events::warning, error.what(), {.gpu = slot.str()});
}

/// One whose process died without a word, or is in a kernel call, is tried again when that has ended.
void Recoveries::recovery_ended(const Operation& operation) {
  if (operation.stuck || operation.error == error_name(ErrorCode::internal)) return;
  const bool libvirt_was_away = operation.error == error_name(ErrorCode::libvirt_unavailable);
  if (!libvirt_was_away) return void(waits_.erase(operation.gpu));
  auto& patience = waits_[operation.gpu].patience;
  patience = std::max(patience, retries_.first);
  keep_trying(operation.gpu);
}

/// Until it ends in another way; what only comes in between costs no more than the next of these attempts.
void Recoveries::keep_trying(PciSlot gpu) {
  auto& wait = waits_[gpu];
  const auto try_now = [this, gpu] {
    if (!waits_.contains(gpu)) return;
    keep_trying(gpu);
    try_to_recover(gpu);
  };
  wait.over = loop_.after(wait.patience, [this, try_now] { loop_.defer(try_now); });
  wait.patience = std::clamp(wait.patience * 2, retries_.first, retries_.last);
}

void Recoveries::recover_later(PciSlot gpu) {
  settle_assignment(gpu);
  pending_.insert(gpu);
  loop_.defer([this, gpu] { try_to_recover(gpu); });
}

std::optional<JournalContents> Recoveries::journal_of(PciSlot gpu) const {
  StateDir dir(platform_.runtime_dir / "journal");
  const RootDir root(platform_.root);
  return JournalStore(dir).find(gpu, boot_id(root));
}

/// The journal knows its UUID. Without an assignment - a release had all but ended - that has to do.
std::string Recoveries::vm_name(PciSlot gpu, const std::string& uuid) const {
  StateDir dir(platform_.state_dir / "assignments");
  const auto assignment = Assignments(dir).find(gpu);
  return assignment && assignment->vm_uuid == uuid ? assignment->vm_name : uuid;
}

/// What cannot begin now is tried again after a while, at the next change of a device, and with the next
/// release.
void Recoveries::try_to_recover(PciSlot gpu) try { recover(gpu); } catch (const Error& error) {
  log(events::warning, error.what(), {.gpu = gpu.str()});
  if (!waits_.contains(gpu)) keep_trying(gpu);
}

void Recoveries::pause(bool asleep) {
  asleep_ = asleep;
  if (!asleep) retry();
}

bool Recoveries::may_begin(PciSlot gpu) const {
  return !asleep_ && !stopping_ && operations_.running_on(gpu) == nullptr;
}

std::optional<unsigned> Recoveries::recover(PciSlot gpu, std::uint32_t started_by) {
  if (!pending_.contains(gpu) || !may_begin(gpu)) return std::nullopt;
  if (runner_.follows(gpu)) {
    worker_lives_.insert(gpu);
    return std::nullopt;
  }
  if (operations_.is_held(gpu)) {
    operations_.once_free(gpu, [this] { retry(); });
    return std::nullopt;
  }
  const auto journal = journal_of(gpu);
  if (!journal && has_journal(gpu))
    throw Error(ErrorCode::internal, "what an earlier operation left cannot be read just now");
  if (!journal) {
    pending_.erase(gpu);
    waits_.erase(gpu);
    settle_assignment(gpu);
    return std::nullopt;
  }
  if (wait_for_helper(*journal)) return std::nullopt;
  const auto id = operations_.add("recover", gpu, vm_name(gpu, journal->header.vm), started_by).id;
  const auto body = [gpu, snapshot = inventory_.snapshot(), platform = platform_](WorkerChannel& channel) {
    carry_out_recovery(channel, gpu, snapshot, platform);
  };
  runner_.run(id, gpu, body, [](const std::variant<unsigned, Error>&) {});
  if (operations_.find(id) == nullptr)
    throw Error(ErrorCode::internal,
                "what an earlier operation left cannot be finished: no process to be had");
  return id;
}

/// While the process that did the work lives - it sits in a kernel call - nobody else may touch the GPU, and
/// nothing is read that waits for that call.
bool Recoveries::wait_for_helper(const JournalContents& journal) {
  const auto gpu = journal.slot();
  if (!is_alive(RootDir(platform_.root), journal.header.helper)) return false;
  UniqueFd process{static_cast<int>(::syscall(SYS_pidfd_open, journal.header.helper.pid, 0))};
  if (!process && errno == ESRCH) return false;  // it has ended meanwhile
  if (!process)
    throw Error(ErrorCode::internal,
                fmt::format("process {} of an earlier {} cannot be watched: {}", journal.header.helper.pid,
                            journal.header.operation, std::strerror(errno)));
  auto ended = loop_.watch_fd(process.get(), EPOLLIN, [this, gpu](std::uint32_t) { helper_ended(gpu); });
  const auto functions = functions_of(journal.header.home);
  inventory_.begin_transition(functions);
  helpers_[gpu] = {std::move(process), functions, show_stuck(journal), std::move(ended)};
  return true;
}

unsigned Recoveries::show_stuck(const JournalContents& journal) {
  const auto id =
      operations_.add("recover", journal.slot(), vm_name(journal.slot(), journal.header.vm), 0).id;
  operations_.update(id, [](Operation& operation) { operation.stuck = true; });
  operations_.finish(
      id, OperationState::failed, std::string{error_name(ErrorCode::timed_out)},
      fmt::format("process {} of an earlier {} is still in a kernel call; the GPU is stuck until "
                  "that ends. Close what still uses it (gpuctl users), or restart the machine",
                  journal.header.helper.pid, journal.header.operation));
  return id;
}

void Recoveries::helper_ended(PciSlot gpu) {
  const auto helper = helpers_.extract(gpu);
  inventory_.end_transition(helper.mapped().functions);
  operations_.update(helper.mapped().operation, [](Operation& operation) {
    operation.stuck = false;
    operation.message = "the kernel came back after all; what was left is recovered";
  });
  try_to_recover(gpu);
}

/// A driver that has let go at last, a card that is back: what could not be done may be possible now.
void Recoveries::retry() {
  if (pending_.empty() || std::exchange(retry_due_, true)) return;
  loop_.defer([this] {
    retry_due_ = false;
    for (const auto gpu : std::set<PciSlot>(pending_)) try_to_recover(gpu);
  });
}

}  // namespace gpuctl
