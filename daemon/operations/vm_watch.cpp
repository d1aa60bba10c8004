// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/vm_watch.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/quoted.hpp"
#include "operations/messages.hpp"
#include "os/log.hpp"
#include "rebind/live_state.hpp"
#include "rebind/saved_bindings.hpp"

namespace gpuctl {
namespace {

using messages::Json;

constexpr std::chrono::seconds first_retry{2}, last_retry{60};

constexpr const char* to_string(DomainPresence presence) {
  switch (presence) {
    case DomainPresence::stopped:
      return "stopped";
    case DomainPresence::started:
      return "started";
    case DomainPresence::transient:
      return "transient";
    case DomainPresence::gone:
      return "gone";
  }
  return "stopped";
}

DomainPresence presence(Hypervisor& hypervisor, const std::string& uuid) {
  try {
    const auto vm = hypervisor.vm(uuid);
    if (!is_active(vm)) return DomainPresence::stopped;
    return vm.persistent ? DomainPresence::started : DomainPresence::transient;
  } catch (const Error& e) {
    if (e.code() == ErrorCode::vm_not_found) return DomainPresence::gone;
    throw;
  }
}

/// Domains that events were about. What holds now is asked for afterwards: an event may be older than the
/// domain's next start, which libvirt lets nobody see before it is over.
class Pending {
 public:
  explicit Pending(std::vector<Assignment> assignments) : assignments_(std::move(assignments)) {}
  void note(const std::string& event, const std::string& uuid) {
    if (event == "watching")
      for (const auto& a : assignments_) seen_.try_emplace(a.vm_uuid, false);
    else if (!uuid.empty())
      seen_[uuid] |= event == "stopped";
  }
  void tell(WorkerChannel& daemon, Hypervisor& hypervisor) {
    for (const auto& [uuid, seen] : std::exchange(seen_, {}))
      daemon.send(Json{{"is", to_string(presence(hypervisor, uuid))}, {"uuid", uuid}, {"seen", seen}}.dump());
  }

 private:
  std::vector<Assignment> assignments_;
  std::map<std::string, bool> seen_;  ///< by UUID: it was seen to stop
};

/// Domains that have got a GPU since: their events may have been missed, too.
void hear_of_more(WorkerChannel& daemon, Pending& pending) {
  while (const auto uuid = daemon.poll()) pending.note("has a GPU", *uuid);
}

/// The worker: tells of domains with events, and first of those with a GPU, for what was missed while nobody
/// listened.
void follow(WorkerChannel& daemon, const Platform& platform, const std::vector<Assignment>& assignments) {
  const auto hypervisor = platform.hypervisor();
  Pending pending{assignments};
  hypervisor->watch([&](const std::string& event, const std::string& uuid) { pending.note(event, uuid); },
                    [&] {
                      hear_of_more(daemon, pending);
                      pending.tell(daemon, *hypervisor);
                      return true;
                    });
}

}  // namespace

VmWatch::VmWatch(EventLoop& loop, WorkerPool& workers, Inventory& inventory, OperationList& operations,
                 Requests& requests, Assignments& assignments, Platform platform)
    : loop_(loop),
      workers_(workers),
      inventory_(inventory),
      operations_(operations),
      requests_(requests),
      assignments_(assignments),
      platform_(std::move(platform)) {
  const auto later = [this](const auto&) { loop_.defer([this] { update(); }); };
  const auto let_go = [later](const Operation& operation) {
    if (!operation.running() && !operation.stuck) later(operation);
  };
  operations_.observe({[](const Operation&) {}, let_go, later, later});
}

void VmWatch::settle_other_boots() {
  for (const auto& [slot, assignment] : assignments_.all())
    if (assignments_.is_of_another_boot(assignment)) settle(assignment);
}

bool VmWatch::needed() const {
  return std::ranges::any_of(assignments_.all(), [&](const auto& entry) { return is_awaited(entry.second); });
}

/// One that lost its driver on the way home is not, and is released once more.
bool VmWatch::is_home(const Gpu& gpu) const {
  StateDir dir(platform_.runtime_dir / "bindings");
  const RootDir root(platform_.root);
  return is_where_it_belongs(gpu, inventory_.snapshot(), SavedBindings(dir, boot_id(root)));
}

/// Away; or at home, or gone, and yet recorded as in use, which libvirt knows better.
bool VmWatch::is_awaited(const Assignment& assignment) const {
  const auto& snapshot = inventory_.snapshot();
  const auto gpu = snapshot.gpus.find(assignment.gpu);
  const bool away = gpu != snapshot.gpus.end() && !is_home(gpu->second);
  return away ||
         ((assignment.running || assignment.returning) && operations_.running_on(assignment.gpu) == nullptr);
}

void VmWatch::update() {
  for (const auto& [slot, due] : std::map<PciSlot, Due>(due_)) go_home(slot, due);
  changed_();
  const bool wanted = needed();
  if (wanted && !worker_ && !retry_) watch();
  if (wanted || !due_.empty()) return;
  worker_.reset();
  retry_.reset();
}

void VmWatch::look_at(const std::string& uuid) {
  update();
  if (worker_) worker_->send(uuid);
}

void VmWatch::watch() try {
  std::vector<Assignment> assignments;
  for (const auto& [slot, assignment] : assignments_.all()) assignments.push_back(assignment);
  worker_ = workers_.start(
      "vm-watch",
      [platform = platform_, assignments](WorkerChannel& channel) { follow(channel, platform, assignments); },
      {[this](const std::string& text) { on_message(text); }, [this](int) { retry_later(); }});
} catch (const Error& error) {  // no process to be had
  log(events::warning, fmt::format("virtual machines are not watched just now: {}", error.what()));
  retry_later();
}

/// libvirt is away, or restarts: it is asked again until the GPU is home, less and less often.
void VmWatch::retry_later() {
  patience_ = std::clamp(patience_ * 2, first_retry, last_retry);
  retry_ = loop_.after(patience_, [this] {
    retry_.reset();
    worker_.reset();
    update();
  });
}

void VmWatch::on_message(const std::string& text) {
  patience_ = {};
  const auto json = Json::parse(text);
  const std::string is = json.at("is"), uuid = json.at("uuid");
  if (is == "transient" || is == "gone") undefined(uuid);
  if (is == "started" || is == "transient") return started(uuid);
  if (is == "gone" || has_ended(uuid, json.at("seen"))) ended(uuid);
}

/// A domain that was never seen running has not ended: its GPU waits for it.
bool VmWatch::has_ended(const std::string& uuid, bool seen) const {
  return std::ranges::any_of(assignments_.all(), [&](const auto& entry) {
    const auto& a = entry.second;
    return a.vm_uuid == uuid && (seen || a.running || a.returning);
  });
}

/// There is no definition any more that the GPU could be taken out of.
void VmWatch::undefined(const std::string& uuid) {
  for (auto [slot, assignment] : assignments_.all()) {
    if (assignment.vm_uuid != uuid || assignment.lease_only) continue;
    assignment.lease_only = true;
    remember(assignment);
  }
}

void VmWatch::started(const std::string& uuid) {
  for (auto [slot, assignment] : assignments_.all()) {
    if (assignment.vm_uuid != uuid) continue;
    due_.erase(slot);
    if (assignment.running && !assignment.returning) continue;
    assignment.running = true;
    assignment.returning = false;
    remember(assignment);
  }
  changed_();
}

void VmWatch::ended(const std::string& uuid) {
  for (auto [slot, assignment] : assignments_.all()) {
    if (assignment.vm_uuid != uuid) continue;
    if (assignment.keep || platform_.config.vm.keep) {
      settle(assignment);
      continue;
    }
    assignment.running = false;
    assignment.returning = true;
    due_[slot] = {uuid, assignment.vm_name, remember(assignment)};
  }
  update();
}

/// What cannot be written - the disk is full - keeps no GPU from going home. True if it is written.
bool VmWatch::remember(const Assignment& assignment) try {
  assignments_.save(assignment);
  return true;
} catch (const Error& error) {
  log(events::warning,
      fmt::format("what became of {} is not recorded: {}", gpuctl::quoted(assignment.vm_name), error.what()),
      {.gpu = assignment.gpu.str(), .vm = assignment.vm_name});
  return false;
}

void VmWatch::settle(const Assignment& assignment) try {
  assignments_.settle(assignment);
} catch (const Error&) {
  remember(assignment);  // tells why not
}

void VmWatch::give_back(PciSlot gpu, const std::string& vm_uuid, const std::string& vm_name) {
  due_[gpu] = {vm_uuid, vm_name};
  update();
}

/// Waits for an operation that has the GPU, whose end calls update() again. By then another domain may have
/// been given it.
void VmWatch::go_home(PciSlot slot, const Due& due) {
  if (operations_.running_on(slot) != nullptr) return;
  const auto assignment = assignments_.find(slot);
  const auto& gpus = inventory_.snapshot().gpus;
  const auto gpu = gpus.find(slot);
  const bool home = gpu == gpus.end() || is_home(gpu->second);
  const bool taken =
      assignment && (assignment->vm_uuid != due.vm_uuid || (assignment->running && due.recorded));
  if (!home && !taken) return start_release(slot, due);
  due_.erase(slot);
  if (assignment && !taken) settle(*assignment);
}

/// There was no process to be had.
void VmWatch::try_again(PciSlot slot, const Due& due) {
  due_.emplace(slot, due);
  retry_later();
}

void VmWatch::start_release(PciSlot slot, const Due& due) try {
  Request request;
  request.verb = Verb::release;
  request.gpu = inventory_.snapshot().gpus.at(slot).address.str();
  request.by_itself = true;
  requests_.start(request, 0, [this, due, slot](const std::variant<unsigned, Error>& started) {
    const auto* error = std::get_if<Error>(&started);
    if (error == nullptr) return;
    const auto& vm = due.vm_name;
    log(events::not_given_back,
        fmt::format("the GPU of {} cannot go back to the host: {}", gpuctl::quoted(vm), error->what()),
        {.gpu = slot.str(), .vm = vm, .error = std::string{error_name(error->code())}});
    if (error->code() == ErrorCode::internal) loop_.defer([this, due, slot] { try_again(slot, due); });
  });
  due_.erase(slot);
} catch (const Error&) {  // not now: the machine goes to sleep, or the ROM is read
  retry_later();
}

}  // namespace gpuctl
