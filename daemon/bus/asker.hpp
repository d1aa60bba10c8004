// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <memory>

#include "bus/authorizer.hpp"
#include "os/event_loop.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl {

/// The match rule for the end of a bus name.
std::string leaving_rule(const std::string& bus_name);

/// A caller that waits for an answer. Who leaves the bus before that wants nothing any more.
class Asker {
 public:
  Asker(sdbus::IConnection& connection, EventLoop& loop, const BusCaller& caller);
  bool has_left() const { return state_->left; }
  /// `then` runs, in a round of the loop of its own, if it leaves before it has its answer.
  void on_leaving(std::function<void()> then);
  /// May go now.
  void answered();

 private:
  struct State {
    bool left{}, answered{};
    std::function<void()> then;
    void leave();
  };
  std::shared_ptr<State> state_;
  sdbus::Slot watch_;
};

}  // namespace gpuctl
