// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>

#include "bus/turns.hpp"
#include "os/event_loop.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl {

/// Lets an event loop serve a bus connection (sdbus-c++ 1.x has no sd-event attachment of its own).
class BusLoop {
 public:
  /// `on_lost`: the bus has closed the connection.
  BusLoop(sdbus::IConnection& connection, EventLoop& loop, std::function<void()> on_lost);
  int fd() const { return fd_; }

 private:
  void prepare();
  void process_soon();
  void process();
  sdbus::IConnection& connection_;
  EventLoop& loop_;
  std::function<void()> on_lost_;
  Turns turns_;
  int fd_{};
  bool due_{};
  EventLoop::Source io_, hook_, timer_;
};

}  // namespace gpuctl
