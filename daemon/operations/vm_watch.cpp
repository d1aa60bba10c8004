// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/vm_watch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/quoted.hpp"
#include "operations/messages.hpp"
#include "os/log.hpp"

namespace gpuctl {
namespace {

using messages::Json;

constexpr std::chrono::seconds reconnect_after{2};

std::string event_text(const std::string& event, const std::string& uuid) {
  return Json{{"event", event}, {"uuid", uuid}}.dump();
}

/// What an event would have told; a domain that is gone has stopped.
const char* state_event(Hypervisor& hypervisor, const std::string& uuid) {
  try {
    return hypervisor.vm(uuid).state == VmState::shut_off ? "stopped" : "started";
  } catch (const Error& e) {
    if (e.code() == ErrorCode::vm_not_found) return "stopped";
    throw;
  }
}

/// The worker: tells events, and first what was missed while nobody listened. A domain that was never seen
/// running has not ended: its GPU waits for it.
void follow(WorkerChannel& daemon, const Platform& platform, const std::vector<Assignment>& assignments) {
  const auto hypervisor = platform.hypervisor();
  const auto on_event = [&](const std::string& event, const std::string& uuid) {
    daemon.send(event_text(event, uuid));
    if (event != "watching") return;
    for (const auto& a : assignments) {
      const std::string missed = state_event(*hypervisor, a.vm_uuid);
      if (missed == "started" || a.running) daemon.send(event_text(missed, a.vm_uuid));
    }
  };
  hypervisor->watch(on_event, [&daemon] { return daemon.poll() != "stop"; });
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
  operations_.observe({[](const Operation&) {}, [](const Operation&) {},
                       [this](const Operation&) { loop_.defer([this] { update(); }); }, [](unsigned) {}});
}

bool VmWatch::needed() const {
  const auto& gpus = inventory_.snapshot().gpus;
  return std::ranges::any_of(assignments_.all(), [&](const auto& entry) {
    const auto gpu = gpus.find(entry.first);
    return gpu != gpus.end() && bound_state(gpu->second, inventory_.snapshot()) != GpuState::host;
  });
}

void VmWatch::update() {
  for (const auto slot : std::set<PciSlot>(due_))
    if (const auto assignment = assignments_.find(slot)) go_home(*assignment);
  changed_();
  const bool wanted = needed();
  if (wanted && !worker_ && !retry_) watch();
  if (wanted) return;
  worker_.reset();
  retry_.reset();
}

void VmWatch::watch() {
  std::vector<Assignment> assignments;
  for (const auto& [slot, assignment] : assignments_.all()) assignments.push_back(assignment);
  worker_ = workers_.start(
      "vm-watch",
      [platform = platform_, assignments](WorkerChannel& channel) { follow(channel, platform, assignments); },
      {[this](const std::string& text) { on_message(text); },
       [this](int) {
         // libvirt is away, or restarts: it is asked again until the GPU is home
         retry_ = loop_.after(reconnect_after, [this] {
           retry_.reset();
           worker_.reset();
           update();
         });
       }});
}

void VmWatch::on_message(const std::string& text) {
  const auto json = Json::parse(text);
  const std::string event = json.at("event");
  const std::string uuid = json.at("uuid");
  if (event == "started") started(uuid);
  if (event == "stopped") ended(uuid);
}

void VmWatch::started(const std::string& uuid) {
  for (auto& [slot, assignment] : assignments_.all()) {
    if (assignment.vm_uuid != uuid || assignment.running) continue;
    auto running = assignment;
    running.running = true;
    assignments_.save(running);
  }
  changed_();
}

void VmWatch::ended(const std::string& uuid) {
  for (const auto& [slot, assignment] : assignments_.all()) {
    if (assignment.vm_uuid != uuid) continue;
    if (!assignment.keep && !platform_.config.vm.keep) due_.insert(slot);
    if (!assignment.running) continue;
    auto stopped = assignment;
    stopped.running = false;
    assignments_.save(stopped);
  }
  update();
}

/// Waits for an operation that has the GPU, whose end calls update() again.
void VmWatch::go_home(const Assignment& assignment) {
  const auto slot = assignment.gpu;
  if (operations_.running_on(slot) != nullptr) return;
  due_.erase(slot);
  const auto& gpus = inventory_.snapshot().gpus;
  const auto gpu = gpus.find(slot);
  if (assignment.lease_only) assignments_.remove(slot);
  if (gpu == gpus.end() || bound_state(gpu->second, inventory_.snapshot()) == GpuState::host) return;
  Request request;
  request.verb = Verb::release;
  request.gpu = gpu->second.address.str();
  request.by_itself = true;
  requests_.start(request, 0, [vm = assignment.vm_name, slot](const std::variant<unsigned, Error>& started) {
    if (const auto* error = std::get_if<Error>(&started))
      log(events::not_given_back,
          fmt::format("the GPU of {} cannot go back to the host: {}", gpuctl::quoted(vm), error->what()),
          {.gpu = slot.str(), .vm = vm, .error = std::string{error_name(error->code())}});
  });
}

}  // namespace gpuctl
