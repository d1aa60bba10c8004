// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/asker.hpp"

#include <utility>

#include <fmt/format.h>

namespace gpuctl {

std::string leaving_rule(const std::string& bus_name) {
  return fmt::format(
      "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged'"
      ",arg0='{}',arg2=''",
      bus_name);
}

void Asker::State::leave() {
  left = true;
  if (const auto last = std::exchange(then, nullptr)) last();
}

Asker::Asker(sdbus::IConnection& connection, EventLoop& loop, const BusCaller& caller)
    : state_(std::make_shared<State>()),
      watch_(dbus::watch(connection, leaving_rule(caller.bus_name),
                         [&loop, state = state_] { loop.defer([state] { state->leave(); }); })) {}

void Asker::on_leaving(std::function<void()> then) {
  if (!state_->answered) state_->then = std::move(then);
}

void Asker::answered() {
  state_->answered = true;
  state_->then = nullptr;
  watch_.reset();
}

}  // namespace gpuctl
