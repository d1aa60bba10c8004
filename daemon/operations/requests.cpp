// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/requests.hpp"

#include <fmt/format.h>

#include "inventory/isolation.hpp"
#include "operations/assignments.hpp"
#include "operations/carry_out.hpp"
#include "operations/gpu_meant.hpp"
#include "operations/messages.hpp"
#include "operations/polkit_details.hpp"
#include "operations/return_waits.hpp"
#include "operations/survey.hpp"

namespace gpuctl {
namespace {

/// How long a look may be ago and still be what an operation goes by. Its own steps look at the users and at
/// each function once more, whatever it is.
constexpr std::chrono::seconds look_lasts{1};

/// Looks that are in flight together share one reading of the GPU for so long: many of them keep nobody
/// waiting.
constexpr std::chrono::milliseconds reading_lasts{100};

PciSlot slot_of(const Request& request) { return PciAddress::parse(request.gpu)->slot(); }

const char* kind_of(const Request& request) { return request.verb == Verb::attach ? "attach" : "release"; }

std::string running_sentence(const Operation& operation, const Request& request) {
  return fmt::format("operation {} ({}) is running on {}", operation.id, operation.kind, request.gpu);
}

std::string stuck_sentence(const Operation& operation, const Request& request) {
  return fmt::format("{} is stuck since operation {}: {}", request.gpu, operation.id, operation.message);
}

Problem running_problem(const Operation& operation, const Request& request) {
  if (operation.stuck)
    return {"gpu-stuck", Severity::blocker, request.gpu, stuck_sentence(operation, request) + ".",
            "It is free again when the kernel has let go; if that never happens, restart the machine."};
  if (request.verb == Verb::release && is_return(operation))
    return {"operation-running", Severity::info, request.gpu, running_sentence(operation, request) + ".",
            "A release waits for its end."};
  return {"operation-running", Severity::blocker, request.gpu, running_sentence(operation, request) + ".",
          fmt::format("Wait for it, or cancel it with: gpuctl cancel {}", operation.id)};
}

}  // namespace

Error blocked_error(const Problems& problems) {
  std::string text;
  for (const auto& p : problems) {
    if (p.severity != Severity::blocker) continue;
    const bool ended = p.message.ends_with('.') || p.message.ends_with('?') || p.message.ends_with('!');
    text += fmt::format("{}{}: {}{}{}{}", text.empty() ? "" : "\n", p.id, p.message, ended ? "" : ".",
                        p.remedy.empty() ? "" : " ", p.remedy);
  }
  return {ErrorCode::blocked, text};
}

Requests::Requests(Inventory& inventory, OperationList& operations, Queries& queries, Departures& departures,
                   Runner& runner, Recoveries& recoveries, Platform platform)
    : inventory_(inventory),
      operations_(operations),
      queries_(queries),
      departures_(departures),
      runner_(runner),
      recoveries_(recoveries),
      platform_(std::move(platform)) {}

Request Requests::resolve(Request request) const {
  request.gpu = gpu_meant(request, inventory_.snapshot(), platform_);
  return request;
}

/// What no event tells: power, and whether a card answers.
void Requests::refresh(PciSlot slot) {
  const auto& gpus = inventory_.snapshot().gpus;
  const auto gpu = gpus.find(slot);
  if (gpu == gpus.end()) return;
  const std::set<PciAddress> functions{gpu->second.functions.begin(), gpu->second.functions.end()};
  inventory_.refresh(functions);
}

/// Refreshes for a look, which holds the result as long as it is in flight.
std::shared_ptr<void> Requests::shared_reading(PciSlot slot) {
  auto& reading = readings_[slot];
  auto looks = reading.looks.lock();
  const auto now = std::chrono::steady_clock::now();
  if (looks && now - reading.at < reading_lasts) return looks;
  refresh(slot);
  looks = std::make_shared<char>();
  reading = {now, looks};
  return looks;
}

std::map<PciAddress, PciFunction> Requests::functions(const Request& request) const {
  const auto& snapshot = inventory_.snapshot();
  std::map<PciAddress, PciFunction> found;
  if (const auto* gpu = snapshot.gpu_of(*PciAddress::parse(request.gpu)))
    for (const auto address : gpu->functions)
      if (const auto* function = snapshot.find(address)) found.emplace(address, *function);
  return found;
}

void Requests::survey(const Request& request, std::uint32_t uid, LookAnswer answer) {
  queries_.require_room(uid);
  auto reading = shared_reading(slot_of(request));
  const auto body = [request, snapshot = inventory_.snapshot(), platform = platform_] {
    return messages::prepared(prepare(request, snapshot, platform));
  };
  const auto* operation = operations_.running_on(slot_of(request));
  const bool moving = operation != nullptr && !operation->stuck;
  Look look{{}, std::chrono::steady_clock::now(), moves(request), functions(request)};
  queries_.ask("survey", uid, body,
               [this, request, moving, look = std::move(look), reading = std::move(reading),
                answer = std::move(answer)](std::variant<std::string, Error> result) mutable {
                 if (auto* error = std::get_if<Error>(&result)) return answer(std::move(*error));
                 look.prepared = messages::prepared(messages::Json::parse(std::get<std::string>(result)));
                 auto& problems = look.prepared.survey.problems;
                 if (moving || look.moves != moves(request)) leave_out_passing(problems);
                 add_running(request, problems);
                 answer(std::move(look));
               });
}

bool Requests::still_holds(const Look& look, const Request& request) const {
  const auto age = std::chrono::steady_clock::now() - look.begun;
  return age < look_lasts && look.moves == moves(request) && look.functions == functions(request);
}

WorkerPool::Body Requests::work(Request request, std::uint32_t uid, const std::optional<Look>& look) {
  auto seen = look && still_holds(*look, request) ? std::optional{look->prepared} : std::nullopt;
  request.without_libvirt = look && keeps_definition(look->prepared.survey.problems);
  return [request = std::move(request), uid, seen = std::move(seen), snapshot = inventory_.snapshot(),
          platform = platform_](WorkerChannel& channel) {
    carry_out(channel, request, snapshot, platform, uid, seen);
  };
}

void Requests::add_running(const Request& request, Problems& problems) const {
  const auto* operation = operations_.running_on(slot_of(request));
  if (operation != nullptr) problems.insert(problems.begin(), running_problem(*operation, request));
}

unsigned Requests::moves(const Request& request) const { return runner_.begun(slot_of(request)); }

void Requests::require_free(const Request& request) const {
  if (stopping_) throw Error(ErrorCode::busy, "gpuctld is shutting down; try again in a moment");
  if (asleep_) throw Error(ErrorCode::busy, "the machine is going to sleep; try again when it is awake");
  if (operations_.is_held(slot_of(request)))
    throw Error(ErrorCode::busy,
                fmt::format("the ROM of {} is being read; try again in a moment", request.gpu));
  const auto* operation = operations_.running_on(slot_of(request));
  if (operation != nullptr && operation->stuck)
    throw Error(ErrorCode::blocked, "gpu-stuck: " + stuck_sentence(*operation, request));
  if (operation != nullptr)
    throw Error(ErrorCode::busy, fmt::format("{}; wait for it, or cancel it with: gpuctl cancel {}",
                                             running_sentence(*operation, request), operation->id));
}

std::shared_ptr<void> Requests::hold(const Request& request) {
  require_free(request);
  return operations_.hold(slot_of(request));
}

std::optional<unsigned> Requests::recover(const Request& request, std::uint32_t uid) {
  const bool plain = request.verb == Verb::release && request.revival == Revival::none;
  return plain ? recoveries_.recover(slot_of(request), uid) : std::nullopt;
}

unsigned Requests::start(const Request& request, std::uint32_t uid, StartAnswer answer,
                         std::optional<Look> look) {
  require_free(request);
  if (const auto recovery = recover(request, uid)) {
    answer(*recovery);
    return *recovery;
  }
  refresh(slot_of(resolve(request)));
  const bool leaves = leaves_host(request);
  auto& operation = operations_.add(kind_of(request), slot_of(request), vm_of(request), uid);
  const auto id = operation.id;
  operation.by_itself = request.by_itself;
  operation.forced = request.force;
  const auto begin = [this, id, slot = operation.gpu, request, uid, look = std::move(look),
                      answer = std::move(answer)] {
    const auto why_not = obstacle(id);
    if (why_not.empty()) return runner_.run(id, slot, work(request, uid, look), answer);
    departures_.returned(slot);
    operations_.finish(id, OperationState::cancelled, std::string{error_name(ErrorCode::cancelled)}, why_not);
    answer(id);
  };
  leaves ? departures_.announce(operation.gpu, begin) : begin();
  return id;
}

std::string Requests::obstacle(unsigned id) {
  if (cancelled_early_.erase(id) != 0 || stopping_) return "cancelled before anything was done";
  return asleep_ ? "the machine is going to sleep; nothing was done" : "";
}

void Requests::pause(bool asleep) {
  asleep_ = asleep;
  recoveries_.pause(asleep);
}

void Requests::stop() {
  stopping_ = true;
  recoveries_.stop();
}

bool Requests::leaves_host(const Request& request) const {
  const auto& snapshot = inventory_.snapshot();
  const auto gpu = snapshot.gpus.find(slot_of(request));
  if (gpu == snapshot.gpus.end()) throw Error(ErrorCode::not_found, request.gpu + " has gone");
  return request.verb == Verb::attach && is_at_home(gpu->second, snapshot);
}

/// An attach's own; of a release the one whose GPU it was.
std::string Requests::vm_of(const Request& request) const {
  if (request.verb == Verb::attach) return request.vm_name.empty() ? request.vm : request.vm_name;
  StateDir dir(platform_.state_dir / "assignments");
  const auto assignment = Assignments(dir).find(slot_of(request));
  return assignment ? assignment->vm_name : std::string{};
}

bool Requests::changes_record(const Request& request, const Survey& survey) const {
  StateDir dir(platform_.state_dir / "assignments");
  const auto assignment = Assignments(dir).find(slot_of(request));
  if (!assignment || request.verb == Verb::release) return assignment.has_value();
  const bool same_vm = assignment->vm_uuid == survey.vm_uuid && !assignment->lease_only;
  return same_vm && (assignment->keep != request.keep || (request.force && !assignment->forced));
}

unsigned Requests::already(const Request& request, std::uint32_t uid) {
  const auto id = operations_.add(kind_of(request), slot_of(request), vm_of(request), uid).id;
  operations_.finish(id, OperationState::succeeded, {}, "nothing to do: it was so already");
  return id;
}

PolkitDetails Requests::details(const Request& request) const {
  const auto& snapshot = inventory_.snapshot();
  const auto* gpu = snapshot.gpu_of(*PciAddress::parse(request.gpu));
  if (gpu == nullptr) throw Error(ErrorCode::not_found, request.gpu + " has gone");
  return polkit_details(*gpu, snapshot, vm_of(request));
}

PolkitDetails Requests::details(const Operation& operation) const {
  const auto& snapshot = inventory_.snapshot();
  const auto gpu = snapshot.gpus.find(operation.gpu);
  if (gpu == snapshot.gpus.end()) return {{"gpu", operation.gpu.str()}, {"vm", operation.vm}};
  return polkit_details(gpu->second, snapshot, operation.vm);
}

void Requests::cancel(unsigned id) {
  if (runner_.cancel(id)) return;
  const auto* operation = operations_.find(id);
  if (operation == nullptr || !operation->running()) return;
  cancelled_early_.insert(id);
  departures_.hurry(operation->gpu);
}

}  // namespace gpuctl
