// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/domain_lifecycle.hpp"

#include <fmt/format.h>

namespace gpuctl {
namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

/// libvirt's job lock on a domain is waited for as long; the hook's own deadline is a multiple of it.
constexpr std::chrono::seconds patience{30};

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(system_clock::now().time_since_epoch()).count();
}

/// `gpuctl attach --start`: it waits for libvirt, which waits for the hook.
bool starts(const Operation& operation, const DomainDemand& demand) {
  if (operation.current >= operation.steps.size()) return false;
  const auto& step = operation.steps[operation.current].step;
  return step.kind == StepKind::vm_start && step.subject == demand.uuid;
}

Error still_busy(const Operation& operation) {
  return {ErrorCode::busy,
          fmt::format("operation {} ({}) is still running on the GPU {}; try again when it is over",
                      operation.id, operation.kind, operation.gpu.str())};
}

}  // namespace

DomainLifecycle::DomainLifecycle(EventLoop& loop, Inventory& inventory, OperationList& operations,
                                 Requests& requests, Assignments& assignments, VmWatch& watch)
    : loop_(loop),
      inventory_(inventory),
      operations_(operations),
      requests_(requests),
      assignments_(assignments),
      watch_(watch) {
  operations_.observe({[](const Operation&) {},
                       [this](const Operation& operation) { look_again(operation.id); },
                       [this](const Operation& operation) {
                         auto node = own_.extract(operation.id);
                         if (!node.empty()) node.mapped()(operation);
                         look_again(operation.id);
                       },
                       [this](unsigned id) { look_again(id); }});
}

void DomainLifecycle::prepare(const std::string& xml, Answer answer) {
  go_on(std::make_shared<Start>(Start{domain_demand(xml, inventory_.snapshot()), std::move(answer), 0,
                                      steady_clock::now() + patience}));
}

void DomainLifecycle::go_on(const StartPtr& start) try {
  if (start->next == start->demand.gpus.size()) return start->answer(std::nullopt);
  take(start->demand.gpus[start->next], start);
} catch (const Error& error) {
  start->answer(error);
}

void DomainLifecycle::take(PciSlot slot, const StartPtr& start) {
  const auto* operation = operations_.running_on(slot);
  if (operation != nullptr && !operation->stuck && !starts(*operation, start->demand))
    return wait_for(*operation, start);
  if (operations_.is_held(slot)) return operations_.once_free(slot, [this, start] { go_on(start); });
  const auto& gpu = fresh(slot);
  const auto assignment = assignments_.find(slot);
  const bool away = !is_at_home(gpu, inventory_.snapshot());
  if (away && assignment && assignment->vm_uuid != start->demand.uuid && assignment->running)
    throw Error(ErrorCode::busy, fmt::format("the GPU {} is in use by the virtual machine {}", slot.str(),
                                             assignment->vm_name));
  // There already - also while gpuctl itself starts this domain: nothing to wait for, and nothing to give
  // back.
  if (bound_state(gpu, inventory_.snapshot()) != GpuState::vm) return attach(gpu, start);
  lease(slot, start->demand, Taken::no);
  ++start->next;
  go_on(start);
}

const Gpu& DomainLifecycle::known(PciSlot slot) const {
  const auto found = inventory_.snapshot().gpus.find(slot);
  if (found == inventory_.snapshot().gpus.end())
    throw Error(ErrorCode::device_gone, fmt::format("the GPU in slot {} has gone", slot.str()));
  return found->second;
}

/// Looked at now: events may be on their way.
const Gpu& DomainLifecycle::fresh(PciSlot slot) {
  const auto functions = known(slot).functions;
  inventory_.refresh({functions.begin(), functions.end()});
  return known(slot);
}

/// Whoever has forced it once is not asked again, and where libvirt alone would take the GPU nobody was.
bool DomainLifecycle::may_go_dark(PciSlot slot, const DomainDemand& demand) const {
  const auto assignment = assignments_.find(slot);
  const bool forced = assignment && assignment->vm_uuid == demand.uuid && assignment->forced;
  return forced || demand.managed.contains(slot);
}

void DomainLifecycle::attach(const Gpu& gpu, const StartPtr& start) {
  Request request;
  request.gpu = gpu.address.str();
  request.by_itself = true;
  request.along = start->demand.along;
  request.may_go_dark = may_go_dark(gpu.slot(), start->demand);
  requests_.start(request, 0, [this, slot = gpu.slot(), start](const std::variant<unsigned, Error>& result) {
    if (const auto* error = std::get_if<Error>(&result)) return start->answer(*error);
    const auto* operation = operations_.find(std::get<unsigned>(result));
    if (operation != nullptr && !operation->running()) return attached(*operation, slot, start);
    own_[std::get<unsigned>(result)] = [this, slot, start](const Operation& ended) {
      attached(ended, slot, start);
    };
  });
}

void DomainLifecycle::attached(const Operation& operation, PciSlot slot, const StartPtr& start) {
  if (operation.state != OperationState::succeeded)
    return start->answer(Error{error_code(operation.error), operation.message});
  try {
    lease(slot, start->demand, Taken::yes);
  } catch (const Error& error) {  // taken for a domain that will not have it
    loop_.defer([this, slot, demand = start->demand] { watch_.give_back(slot, demand.uuid, demand.name); });
    return start->answer(error);
  }
  ++start->next;
  go_on(start);
}

/// A GPU that was with VFIO before the domain wanted it stays there: by a boot policy, or reserved by hand.
void DomainLifecycle::lease(PciSlot slot, const DomainDemand& demand, Taken taken) {
  auto assignment = assignments_.find(slot);
  if (!assignment || assignment->vm_uuid != demand.uuid) {
    const auto& functions = known(slot).functions;
    Assignment lease{slot, functions, demand.uuid, demand.name, 0, now_seconds()};
    lease.lease_only = true;
    lease.keep = taken == Taken::no;
    if (assignment && !assignment->lease_only) lease.displaced = {*assignment};
    assignment = std::move(lease);
  }
  assignment->vm_name = demand.name;  // it may have been renamed
  assignment->running = true;
  assignment->returning = false;
  assignments_.save(*assignment);
  watch_.claimed(slot);
  watch_.look_at(demand.uuid);
}

void DomainLifecycle::wait_for(const Operation& operation, const StartPtr& start) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(start->patience_ends - steady_clock::now());
  if (left.count() <= 0) return start->answer(still_busy(operation));
  const auto wait = waits_.emplace(operation.id, Wait{start, {}});
  wait->second.deadline = loop_.after(left, [this, id = operation.id] { look_again(id); });
}

/// Deferred, for the operation's other observers have not all seen yet what it did.
void DomainLifecycle::look_again(unsigned operation) {
  const auto [first, last] = waits_.equal_range(operation);
  for (auto wait = first; wait != last; ++wait)
    loop_.defer([this, start = wait->second.start] { go_on(start); });
  waits_.erase(first, last);
}

void DomainLifecycle::release(const std::string& xml) {
  watch_.ended(domain_demand(xml, inventory_.snapshot()).uuid);
}

}  // namespace gpuctl
