// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/operation_object.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "bus/caller.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl {
namespace {

constexpr std::chrono::milliseconds between_signals{20};

bool same_steps(const Operation& a, const Operation& b) {
  return std::ranges::equal(
      a.steps, b.steps, [](const auto& x, const auto& y) { return x.state == y.state && x.step == y.step; });
}

std::vector<std::string> difference(const Operation& before, const Operation& now) {
  std::vector<std::string> changed;
  if (before.state != now.state) changed.emplace_back("State");
  if (before.current != now.current) changed.emplace_back("Step");
  if (!same_steps(before, now)) changed.emplace_back("Steps");
  if (before.error != now.error) changed.emplace_back("Error");
  if (before.message != now.message) changed.emplace_back("Message");
  return changed;
}

}  // namespace

OperationObject::OperationObject(sdbus::IConnection& connection, EventLoop& loop, Gate& gate,
                                 Requests& requests, const Operation& operation)
    : AdaptorInterfaces(connection, sdbus::ObjectPath{wire::operation_path(operation.id)}),
      loop_(loop),
      gate_(gate),
      requests_(requests),
      shown_(operation),
      told_(operation) {
  registerAdaptor();
  getObject().emitInterfacesAddedSignal();
}

OperationObject::~OperationObject() { unregisterAdaptor(); }

bool OperationObject::update(const Operation& operation) {
  const bool gpu_may_change = shown_.state != operation.state || shown_.stuck != operation.stuck;
  shown_ = operation;
  if (shown_.state == told_.state && !soon_) soon_ = loop_.after(between_signals, [this] { tell(); });
  return gpu_may_change;
}

void OperationObject::tell() {
  soon_.reset();
  const auto changed = difference(told_, shown_);
  told_ = shown_;
  if (!changed.empty()) dbus::emit_properties_changed(getObject(), names::operation_interface, changed);
}

void OperationObject::finished() {
  tell();
  emitFinished(State(), Error(), Message());
}

/// When the bus is gone there is nobody to tell, and the daemon is about to end for that.
void OperationObject::removed() noexcept try {
  getObject().emitInterfacesRemovedSignal();
} catch (const sdbus::Error&) {
}

std::string OperationObject::Error() {
  return shown_.error.empty() ? std::string{} : names::error_prefix + shown_.error;
}

void OperationObject::Cancel(sdbus::Result<>&& result) {
  const Reply<> reply{std::move(result)};
  answer(reply, [&] {
    const auto caller = current_caller(getObject());
    if (!shown_.running()) return reply.value();
    const bool own = caller.uid == shown_.started_by;
    const auto actions = own ? std::vector<std::string>{} : std::vector<std::string>{names::action_cancel};
    const auto stop = [&requests = requests_, id = shown_.id, reply] {
      requests.cancel(id);
      reply.value();
    };
    gate_.pass({caller, actions, requests_.details(shown_)}, stop,
               [reply](const gpuctl::Error& e) { reply.error(e); });
  });
}

}  // namespace gpuctl
