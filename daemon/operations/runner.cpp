// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/runner.hpp"

#include <algorithm>
#include <utility>

namespace gpuctl {
namespace {

Runner::Answer once(Runner::Answer answer) {
  return
      [answer = std::make_shared<Runner::Answer>(std::move(answer))](std::variant<unsigned, Error> result) {
        if (const auto first = std::exchange(*answer, nullptr)) first(std::move(result));
      };
}

}  // namespace

void Runner::run(unsigned id, PciSlot gpu, WorkerPool::Body body, Answer answer) {
  ++begun_[gpu];
  const auto tell = once(std::move(answer));
  RunningOperation::Handlers handlers;
  handlers.planned = [id, tell] { tell(id); };
  handlers.refused = [this, id, tell](const Error& error) {
    operations_.drop(id, error);
    tell(error);
  };
  handlers.crashed = [this, gpu] { crashed_(gpu); };
  handlers.ended = [this, id, gpu, tell] {
    tell(id);  // its worker had no plan to tell: the operation says what became of it
    ended(id, gpu);
  };
  try {
    running_[id] = std::make_unique<RunningOperation>(loop_, workers_, inventory_, operations_, timeouts_, id,
                                                      std::move(body), std::move(handlers));
    gpus_[id] = gpu;
  } catch (const Error& error) {  // no process to be had: nothing has begun
    tell_departures(gpu);
    operations_.drop(id, error);
    tell(error);
  }
}

void Runner::tell_departures(PciSlot slot) {
  const auto& snapshot = inventory_.snapshot();
  const auto gpu = snapshot.gpus.find(slot);
  if (gpu != snapshot.gpus.end() && is_at_home(gpu->second, snapshot)) departures_.returned(slot);
}

void Runner::ended(unsigned id, PciSlot slot) {
  tell_departures(slot);
  // destroyed in a later round: its own handler is on the stack
  const auto operation = std::make_shared<std::unique_ptr<RunningOperation>>(std::move(running_.at(id)));
  running_.erase(id);
  gpus_.erase(id);
  loop_.defer([operation] { operation->reset(); });
  gone_(slot);
  check_stopped();
}

bool Runner::follows(PciSlot gpu) const {
  return std::ranges::any_of(gpus_, [gpu](const auto& entry) { return entry.second == gpu; });
}

unsigned Runner::begun(PciSlot gpu) const {
  const auto it = begun_.find(gpu);
  return it == begun_.end() ? 0 : it->second;
}

bool Runner::cancel(unsigned id) {
  const auto it = running_.find(id);
  if (it == running_.end()) return false;
  it->second->cancel();
  return true;
}

void Runner::stop(std::chrono::milliseconds patience, std::function<void()> done) {
  stopped_ = std::move(done);
  // What hangs in the kernel will not end in time, whatever is done: the next start finds its journal.
  std::erase_if(running_, [this](const auto& entry) {
    const auto* operation = operations_.find(entry.first);
    return operation != nullptr && operation->stuck;
  });
  for (const auto& [id, operation] : running_) operation->stop();
  patience_ = loop_.after(patience, [this] {
    running_.clear();
    check_stopped();
  });
  loop_.defer([this] { check_stopped(); });
}

void Runner::check_stopped() {
  if (!stopped_ || !running_.empty()) return;
  patience_.reset();
  std::exchange(stopped_, nullptr)();
}

}  // namespace gpuctl
