// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/return_waits.hpp"

#include <utility>
#include <vector>

#include "core/error.hpp"
#include "operations/fair_share.hpp"

namespace gpuctl {

bool is_return(const Operation& operation) {
  return operation.by_itself && operation.kind == "release" && operation.running();
}

ReturnWaits::ReturnWaits(EventLoop& loop, OperationList& operations, std::chrono::milliseconds patience)
    : loop_(loop), operations_(operations), patience_(patience) {
  operations_.observe({[](const Operation&) {}, [](const Operation&) {},
                       [this](const Operation& operation) { ended(operation.id); },
                       [this](unsigned id) { ended(id); }});
}

const Operation* ReturnWaits::met_by(const Request& request) const {
  if (request.verb != Verb::release) return nullptr;
  const auto* operation = operations_.running_on(PciAddress::parse(request.gpu)->slot());
  return operation != nullptr && is_return(*operation) ? operation : nullptr;
}

bool ReturnWaits::concern(const Request& request) const { return met_by(request) != nullptr; }

void ReturnWaits::require_room(std::uint32_t uid) const {
  if (FairShare{max_per_uid, max_in_all}.is_used_up(uid, waits_))
    throw Error(ErrorCode::limits_exceeded, "too many requests of this user are in flight; try again later");
}

void ReturnWaits::pass(const Request& request, std::uint32_t uid, std::function<void()> then) {
  const auto* operation = met_by(request);
  if (operation == nullptr) return then();
  require_room(uid);
  const unsigned id = next_++;
  waits_[id] = {operation->id, uid, std::move(then), loop_.after(patience_, [this, id] { proceed(id); })};
}

void ReturnWaits::ended(unsigned operation) {
  std::vector<unsigned> free;
  for (const auto& [id, wait] : waits_)
    if (wait.operation == operation) free.push_back(id);
  for (const auto id : free) proceed(id);
}

/// Deferred, for the operation's other observers have not all seen yet what it did.
void ReturnWaits::proceed(unsigned wait) {
  auto node = waits_.extract(wait);
  if (!node.empty()) loop_.defer(std::move(node.mapped().then));
}

}  // namespace gpuctl
