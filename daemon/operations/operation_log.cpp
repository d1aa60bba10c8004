// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/operation_log.hpp"

#include <fmt/format.h>

#include "core/quoted.hpp"

namespace gpuctl {
namespace {

const LogEvent& event_of(const Operation& operation) {
  switch (operation.state) {
    case OperationState::running:
      return events::operation_started;
    case OperationState::succeeded:
      return events::operation_succeeded;
    case OperationState::rolled_back:
      return events::operation_rolled_back;
    case OperationState::failed:
      return operation.stuck ? events::gpu_stuck : events::operation_failed;
    case OperationState::cancelled:
      return events::operation_cancelled;
  }
  return events::operation_failed;
}

/// "attach of 0000:01:00 to "win11" (operation 3)"
std::string name(const Operation& operation) {
  const auto vm = operation.vm.empty() ? std::string{} : " to " + gpuctl::quoted(operation.vm);
  return fmt::format("{} of {}{} (operation {})", operation.kind, operation.gpu.str(),
                     operation.kind == "attach" ? vm : "", operation.id);
}

}  // namespace

OperationLog::OperationLog(OperationList& operations, Sink sink) : sink_(std::move(sink)) {
  operations.observe({.added = [this](const Operation& o) { added(o); },
                      .changed = [this](const Operation& o) { changed(o); },
                      .finished = [this](const Operation& o) { finished(o); },
                      .removed = [this](unsigned id) { begun_.erase(id); }});
}

/// Nobody can refuse a recovery; others have begun when their plan stands.
void OperationLog::added(const Operation& operation) {
  if (operation.kind != "recover") return;
  begun_[operation.id] = {};
  tell(events::recovery_started, operation, name(operation) + " has begun");
}

void OperationLog::changed(const Operation& operation) {
  const bool begins = operation.running() && !operation.steps.empty() && !begun_.contains(operation.id);
  if (begins) tell(events::operation_started, operation, name(operation) + " has begun");
  if (begins) begun_[operation.id] = {};
  const auto at = begun_.find(operation.id);
  if (at == begun_.end()) return;
  auto& told = at->second;
  if (!told.stuck || operation.stuck || operation.message == told.message) return;
  told.stuck = false;
  tell(events::gpu_healed, operation, fmt::format("{}: {}", name(operation), operation.message));
}

void OperationLog::finished(const Operation& operation) {
  begun_[operation.id] = {operation.stuck, operation.message};
  const auto ending = operation.stuck ? std::string{"is stuck"} : std::string{to_string(operation.state)};
  const auto why = operation.message.empty() ? std::string{} : ": " + operation.message;
  tell(event_of(operation), operation, fmt::format("{}: {}{}", name(operation), ending, why));
}

void OperationLog::tell(const LogEvent& event, const Operation& operation, const std::string& message) const {
  const bool has_step = !operation.running() && operation.current < operation.steps.size();
  sink_(event, message,
        {.gpu = operation.gpu.str(),
         .vm = operation.vm,
         .operation = operation.id,
         .caller = operation.started_by,
         .step = has_step ? std::string{to_string(operation.steps[operation.current].step.kind)} : "",
         .error = operation.error});
}

}  // namespace gpuctl
