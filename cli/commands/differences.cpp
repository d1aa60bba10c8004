// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/differences.hpp"

#include <algorithm>

#include "cli/gpu_argument.hpp"

namespace gpuctl::cli {
namespace {

using Events = std::vector<Event>;

template <class Value>
const Value* with_path(const std::vector<Value>& values, const std::string& path) {
  const auto found = std::ranges::find(values, path, &Value::path);
  return found == values.end() ? nullptr : &*found;
}

std::string driver_word(const std::string& driver) { return driver.empty() ? "no driver" : driver; }

std::string state_text(const Gpu& gpu) {
  return gpu.vm.empty() ? gpu.state : gpu.state + " (" + gpu.vm + ")";
}

const Function* function_at(const Gpu& gpu, const std::string& address) {
  const auto found = std::ranges::find(gpu.functions, address, &Function::address);
  return found == gpu.functions.end() ? nullptr : &*found;
}

void add_gpu_changes(Events& events, const Gpu& before, const Gpu& after) {
  for (const auto& now : after.functions) {
    const auto* then = function_at(before, now.address);
    if (then != nullptr && then->driver != now.driver)
      events.push_back(
          {"gpu-driver", now.address, driver_word(then->driver) + " → " + driver_word(now.driver)});
  }
  if (state_text(before) != state_text(after))
    events.push_back({"gpu-state", after.address, state_text(before) + " → " + state_text(after)});
}

void add_gpu_events(Events& events, const Objects& before, const Objects& after) {
  for (const auto& gpu : before.gpus) {
    if (with_path(after.gpus, gpu.path) == nullptr) events.push_back({"gpu-removed", gpu.address, gpu.name});
  }
  for (const auto& gpu : after.gpus) {
    const auto* then = with_path(before.gpus, gpu.path);
    if (then == nullptr)
      events.push_back({"gpu-added", gpu.address, gpu.name});
    else
      add_gpu_changes(events, *then, gpu);
  }
}

void add_step_events(Events& events, const Operation* before, const Operation& now) {
  for (std::size_t i = 0; i < now.steps.size(); ++i) {
    const auto& step = now.steps[i];
    const bool same = before != nullptr && i < before->steps.size() && before->steps[i].state == step.state;
    if (same || step.state == "pending") continue;
    events.push_back(
        {"operation-step", now.number(),
         step.state + " " + step.kind + " " + step.subject + (step.detail.empty() ? "" : " " + step.detail)});
  }
}

/// Refused when it was about to begin: it was listed for a moment only.
void add_gone_operations(Events& events, const Objects& before, const Objects& after) {
  for (const auto& then : before.operations) {
    if (then.running() && with_path(after.operations, then.path) == nullptr)
      events.push_back({"operation-finished", then.number(), "gone"});
  }
}

void add_operation_events(Events& events, const Objects& before, const Objects& after) {
  add_gone_operations(events, before, after);
  for (const auto& now : after.operations) {
    const auto* then = with_path(before.operations, now.path);
    if (then == nullptr)
      events.push_back(
          {"operation-started", now.number(),
           now.kind + " " + slot_of_path(now.gpu_path) + (now.vm.empty() ? "" : " for " + now.vm)});
    add_step_events(events, then, now);
    const bool ended = !now.running() && (then == nullptr || then->running());
    if (ended)
      events.push_back(
          {"operation-finished", now.number(), now.state + (now.message.empty() ? "" : ": " + now.message)});
  }
}

}  // namespace

std::vector<Event> differences(const Objects& before, const Objects& after) {
  Events events;
  add_gpu_events(events, before, after);
  add_operation_events(events, before, after);
  return events;
}

}  // namespace gpuctl::cli
