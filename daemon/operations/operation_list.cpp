// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/operation_list.hpp"

#include <algorithm>
#include <array>

namespace gpuctl {
namespace {
constexpr std::array<std::string_view, 5> state_names{"running", "succeeded", "rolled-back", "failed",
                                                      "cancelled"};
}

std::string_view to_string(OperationState state) { return state_names.at(static_cast<std::size_t>(state)); }

OperationState operation_state(std::string_view text) {
  const auto it = std::ranges::find(state_names, text);
  return it == state_names.end() ? OperationState::failed
                                 : static_cast<OperationState>(it - state_names.begin());
}

Operation& OperationList::add(std::string kind, PciSlot gpu, std::string vm, std::uint32_t started_by) {
  const unsigned id = ++numbers_.last;
  numbers_.on_taken(id);
  auto& operation = operations_[id];
  operation.id = id;
  operation.kind = std::move(kind);
  operation.gpu = gpu;
  operation.vm = std::move(vm);
  operation.started_by = started_by;
  for (const auto& o : observers_) o.added(operation);
  return operation;
}

void OperationList::update(unsigned id, const std::function<void(Operation&)>& change) {
  const auto it = operations_.find(id);
  if (it == operations_.end()) return;
  const bool was_stuck = it->second.stuck;
  change(it->second);
  if (was_stuck && !it->second.stuck && !it->second.running()) expire_later(id);
  for (const auto& o : observers_) o.changed(it->second);
}

void OperationList::set_plan(unsigned id, const Plan& plan) {
  update(id, [&](Operation& operation) {
    operation.steps.clear();
    for (const auto& step : plan) operation.steps.push_back({step, StepState::pending});
  });
}

void OperationList::set_step(unsigned id, unsigned index, StepState state) {
  update(id, [&](Operation& operation) {
    if (index >= operation.steps.size()) return;
    operation.steps[index].state = state;
    operation.current = state == StepState::done ? index + 1 : index;
  });
}

void OperationList::finish(unsigned id, OperationState state, const std::string& error,
                           const std::string& message) {
  const auto it = operations_.find(id);
  if (it == operations_.end()) return;
  const bool first = it->second.running();
  update(id, [&](Operation& operation) {
    operation.message = message;
    if (!first) return;
    operation.state = state;
    operation.error = error;
  });
  if (!first) return;
  for (const auto& o : observers_) o.finished(it->second);
  expire_later(id);
  forget_oldest();
}

/// The record of a stuck GPU stays until the kernel has let go, and then its time begins.
void OperationList::expire_later(unsigned id) {
  expiries_[id] = loop_.after(retention_, [this, id] {
    const auto* operation = find(id);
    if (operation != nullptr && !operation->stuck) remove(id);
  });
}

/// One user's flood costs nobody else's record: who has the most loses one. Numbers grow, so the first
/// finished one is the oldest.
void OperationList::forget_oldest() {
  if (operations_.size() <= max_listed) return;
  const auto is_over = [](const Operation& o) { return !o.running() && !o.stuck; };
  std::map<std::uint32_t, std::size_t> kept;
  for (const auto& [id, operation] : operations_)
    if (is_over(operation)) ++kept[operation.started_by];
  const auto most = std::ranges::max_element(kept, {}, [](const auto& user) { return user.second; });
  const auto oldest = std::ranges::find_if(
      operations_, [&](const auto& o) { return is_over(o.second) && o.second.started_by == most->first; });
  if (oldest != operations_.end()) remove(oldest->first);
}

void OperationList::drop(unsigned id, const Error& why) {
  update(id, [&](Operation& operation) {
    operation.state = OperationState::failed;
    operation.error = error_name(why.code());
    operation.message = why.what();
  });
  remove(id);
}

void OperationList::remove(unsigned id) {
  if (operations_.erase(id) == 0) return;
  expiries_.erase(id);
  for (const auto& o : observers_) o.removed(id);
}

const Operation* OperationList::find(unsigned id) const {
  const auto it = operations_.find(id);
  return it == operations_.end() ? nullptr : &it->second;
}

const Operation* OperationList::running_on(PciSlot gpu) const {
  const auto it = std::ranges::find_if(operations_, [gpu](const auto& o) {
    return o.second.gpu == gpu && (o.second.running() || o.second.stuck);
  });
  return it == operations_.end() ? nullptr : &it->second;
}

bool OperationList::busy() const {
  return std::ranges::any_of(operations_, [](const auto& o) { return o.second.running(); });
}

std::shared_ptr<void> OperationList::hold(PciSlot gpu) {
  held_.try_emplace(gpu);
  return {nullptr, [this, gpu](void*) { let_go(gpu); }};
}

void OperationList::let_go(PciSlot gpu) {
  auto waiting = held_.extract(gpu);
  for (auto& then : waiting.mapped()) loop_.defer(std::move(then));
}

}  // namespace gpuctl
