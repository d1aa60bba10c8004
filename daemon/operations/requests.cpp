// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/requests.hpp"

#include <fmt/format.h>

#include "inventory/find_gpu.hpp"
#include "operations/carry_out.hpp"
#include "operations/messages.hpp"
#include "operations/survey.hpp"
#include "rebind/journal.hpp"

namespace gpuctl {
namespace {

constexpr auto helper_poll = std::chrono::milliseconds{500};

PciSlot slot_of(const Request& request) { return PciAddress::parse(request.gpu)->slot(); }

const char* kind_of(const Request& request) { return request.verb == Verb::attach ? "attach" : "release"; }

}  // namespace

Error blocked_error(const Problems& problems) {
  std::string text;
  for (const auto& p : problems) {
    if (p.severity != Severity::blocker) continue;
    text += fmt::format("{}{}: {} {}", text.empty() ? "" : "\n", p.id, p.message, p.remedy);
  }
  return {ErrorCode::blocked, text};
}

Requests::Requests(EventLoop& loop, WorkerPool& workers, Inventory& inventory, OperationList& operations,
                   Queries& queries, Departures& departures, Platform platform)
    : loop_(loop),
      workers_(workers),
      inventory_(inventory),
      operations_(operations),
      queries_(queries),
      departures_(departures),
      platform_(std::move(platform)) {}

Request Requests::resolve(Request request) const {
  const auto choice = request.verb == Verb::attach ? GpuChoice::attachable : GpuChoice::away;
  request.gpu = find_gpu(inventory_.snapshot(), request.gpu, choice).address.str();
  return request;
}

void Requests::survey(const Request& request, std::uint32_t uid, SurveyAnswer answer) {
  const auto body = [request, snapshot = inventory_.snapshot(), platform = platform_] {
    return messages::survey(prepare(request, snapshot, platform).survey);
  };
  queries_.ask("survey", uid, body, [answer = std::move(answer)](std::variant<std::string, Error> result) {
    if (auto* error = std::get_if<Error>(&result)) return answer(std::move(*error));
    answer(messages::survey(messages::Json::parse(std::get<std::string>(result))));
  });
}

void Requests::require_free(const Request& request) const {
  if (shutting_down_) throw Error(ErrorCode::busy, "gpuctld is shutting down; try again in a moment");
  if (asleep_) throw Error(ErrorCode::busy, "the machine is going to sleep; try again when it is awake");
  const auto* operation = operations_.running_on(slot_of(request));
  if (operation != nullptr && operation->stuck)
    throw Error(ErrorCode::blocked, fmt::format("gpu-stuck: {} is stuck in the kernel since operation {}: {}",
                                                request.gpu, operation->id, operation->message));
  if (operation != nullptr)
    throw Error(
        ErrorCode::busy,
        fmt::format("operation {} ({}) is running on {}; wait for it, or cancel it with: gpuctl cancel {}",
                    operation->id, operation->kind, request.gpu, operation->id));
}

void Requests::start(const Request& request, std::uint32_t uid, StartAnswer answer) {
  require_free(request);
  for (const auto& address : inventory_.snapshot().gpus.at(slot_of(resolve(request))).functions)
    inventory_.refresh(address);
  const auto& operation = operations_.add(kind_of(request), slot_of(request), request.vm, uid);
  const auto body = [request, uid, snapshot = inventory_.snapshot(), platform = platform_](
                        WorkerChannel& channel) { carry_out(channel, request, snapshot, platform, uid); };
  const auto begin = [this, id = operation.id, slot = operation.gpu, body, answer = std::move(answer)] {
    if (!shutting_down_ && cancelled_early_.erase(id) == 0) return run(id, slot, body, answer);
    departures_.returned(slot);
    operations_.finish(id, OperationState::cancelled, std::string{error_name(ErrorCode::cancelled)},
                       "cancelled before anything was done");
    answer(id);
  };
  leaves_host(request) ? departures_.announce(operation.gpu, begin) : begin();
}

bool Requests::leaves_host(const Request& request) const {
  const auto& snapshot = inventory_.snapshot();
  return request.verb == Verb::attach &&
         bound_state(snapshot.gpus.at(slot_of(request)), snapshot) == GpuState::host;
}

void Requests::run(unsigned id, PciSlot slot, WorkerPool::Body body, StartAnswer answer) {
  RunningOperation::Handlers handlers;
  handlers.planned = [id, answer] { answer(id); };
  handlers.refused = [this, id, answer](const Error& error) {
    operations_.drop(id);
    answer(error);
  };
  handlers.crashed = [this, slot] { recover_one(slot); };
  handlers.ended = [this, id, slot] {
    const auto& snapshot = inventory_.snapshot();
    const auto gpu = snapshot.gpus.find(slot);
    if (gpu != snapshot.gpus.end() && bound_state(gpu->second, snapshot) == GpuState::host)
      departures_.returned(slot);
    ended(id);
  };
  running_[id] =
      std::make_unique<RunningOperation>(loop_, workers_, inventory_, operations_, platform_.config.timeouts,
                                         id, std::move(body), std::move(handlers));
}

void Requests::ended(unsigned id) {
  // destroyed in a later round: its own handler is on the stack
  auto node = std::make_shared<std::unique_ptr<RunningOperation>>(std::move(running_.at(id)));
  running_.erase(id);
  loop_.defer([node] { node->reset(); });
  check_shut_down();
}

unsigned Requests::already(const Request& request, std::uint32_t uid) {
  const auto id = operations_.add(kind_of(request), slot_of(request), request.vm, uid).id;
  operations_.finish(id, OperationState::succeeded, {}, "nothing to do: it was so already");
  return id;
}

std::map<std::string, std::string> Requests::details(const Request& request) const {
  const auto& snapshot = inventory_.snapshot();
  const auto* function = snapshot.find(*PciAddress::parse(request.gpu));
  if (function == nullptr) throw Error(ErrorCode::not_found, request.gpu + " has gone");
  return {{"gpu", request.gpu},
          {"name", function_name(*function)},
          {"vm", request.vm},
          {"driver", function->driver}};
}

void Requests::cancel(unsigned id) {
  const auto it = running_.find(id);
  if (it != running_.end()) return it->second->cancel();
  const auto* operation = operations_.find(id);
  if (operation != nullptr && operation->running()) cancelled_early_.insert(id);
}

void Requests::recover() {
  StateDir dir(platform_.runtime_dir / "journal");
  const RootDir root(platform_.root);
  for (const auto& journal : JournalStore(dir).load(boot_id(root)).unfinished) recover_one(journal.slot());
}

/// While the process that did the work lives - it sits in a kernel call - nobody else may touch the GPU.
void Requests::recover_one(PciSlot slot) {
  const RootDir root(platform_.root);
  StateDir dir(platform_.runtime_dir / "journal");
  for (const auto& journal : JournalStore(dir).load(boot_id(root)).unfinished) {
    if (journal.slot() != slot) continue;
    if (is_alive(root, journal.header.helper)) {
      waiting_for_helpers_[slot] = loop_.after(helper_poll, [this, slot] { recover_one(slot); });
      return;
    }
    const auto id = operations_.add("recover", slot, journal.header.vm, 0).id;
    const auto body = [slot, snapshot = inventory_.snapshot(), platform = platform_](WorkerChannel& channel) {
      carry_out_recovery(channel, slot, snapshot, platform);
    };
    run(id, slot, body, [](const std::variant<unsigned, Error>&) {});
  }
  waiting_for_helpers_.erase(slot);
}

void Requests::shut_down(std::chrono::milliseconds patience, std::function<void()> done) {
  shutting_down_ = true;
  shut_down_done_ = std::move(done);
  for (const auto& [id, operation] : running_) operation->cancel();
  patience_ = loop_.after(patience, [this] {
    running_.clear();
    check_shut_down();
  });
  loop_.defer([this] { check_shut_down(); });
}

void Requests::check_shut_down() {
  if (!shutting_down_ || !running_.empty() || !shut_down_done_) return;
  patience_.reset();
  std::exchange(shut_down_done_, nullptr)();
}

}  // namespace gpuctl
