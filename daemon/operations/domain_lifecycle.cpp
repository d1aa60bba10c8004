// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/domain_lifecycle.hpp"

#include <chrono>

#include <fmt/format.h>

namespace gpuctl {
namespace {

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

DomainLifecycle::DomainLifecycle(Inventory& inventory, OperationList& operations, Requests& requests,
                                 Assignments& assignments, VmWatch& watch)
    : inventory_(inventory),
      operations_(operations),
      requests_(requests),
      assignments_(assignments),
      watch_(watch) {
  operations_.observe({[](const Operation&) {}, [](const Operation&) {},
                       [this](const Operation& operation) {
                         auto node = waiting_.extract(operation.id);
                         if (!node.empty()) node.mapped()(operation);
                       },
                       [](unsigned) {}});
}

void DomainLifecycle::prepare(const std::string& xml, Answer answer) {
  prepare_next(domain_demand(xml, inventory_.snapshot()), 0, answer);
}

void DomainLifecycle::prepare_next(const DomainDemand& demand, std::size_t index, const Answer& answer) {
  if (index == demand.gpus.size()) return answer(std::nullopt);
  const auto gpu = inventory_.snapshot().gpus.find(demand.gpus[index]);
  if (gpu == inventory_.snapshot().gpus.end())
    return answer(
        Error{ErrorCode::device_gone, fmt::format("the GPU in slot {} has gone", demand.gpus[index].str())});
  const auto assignment = assignments_.find(gpu->first);
  if (assignment && assignment->vm_uuid != demand.uuid && assignment->running)
    return answer(Error{ErrorCode::busy, fmt::format("the GPU {} is in use by the virtual machine {}",
                                                     gpu->first.str(), assignment->vm_name)});
  attach(gpu->second, demand, index, answer);
}

/// There already - also while gpuctl itself starts this domain: nothing to wait for.
void DomainLifecycle::attach(const Gpu& gpu, const DomainDemand& demand, std::size_t index,
                             const Answer& answer) {
  if (bound_state(gpu, inventory_.snapshot()) == GpuState::vm) {
    lease(gpu.slot(), demand);
    return prepare_next(demand, index + 1, answer);
  }
  Request request;
  request.gpu = gpu.address.str();
  request.by_itself = true;
  const auto started = [this, slot = gpu.slot(), demand, index,
                        answer](const std::variant<unsigned, Error>& result) {
    if (const auto* error = std::get_if<Error>(&result)) return answer(*error);
    waiting_[std::get<unsigned>(result)] = [this, slot, demand, index, answer](const Operation& operation) {
      if (operation.state != OperationState::succeeded)
        return answer(Error{error_code(operation.error), operation.message});
      lease(slot, demand);
      prepare_next(demand, index + 1, answer);
    };
  };
  requests_.start(request, 0, started);
}

void DomainLifecycle::lease(PciSlot slot, const DomainDemand& demand) {
  auto assignment = assignments_.find(slot);
  if (!assignment || assignment->vm_uuid != demand.uuid) {
    const auto& functions = inventory_.snapshot().gpus.at(slot).functions;
    assignment = Assignment{slot, functions, demand.uuid, demand.name, 0, now_seconds(), false, false, true};
  }
  assignment->running = true;
  assignments_.save(*assignment);
  watch_.update();
}

void DomainLifecycle::release(const std::string& xml) {
  watch_.ended(domain_demand(xml, inventory_.snapshot()).uuid);
}

}  // namespace gpuctl
