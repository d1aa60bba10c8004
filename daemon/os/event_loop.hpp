// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

struct sd_event;

namespace gpuctl {

/// sd-event with owners. One thread; callbacks must not block. What a callback throws is logged and does not
/// end the loop.
class EventLoop {
 public:
  /// Removes its watch when the last copy goes.
  using Source = std::shared_ptr<void>;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  [[nodiscard]] Source watch_fd(int fd, std::uint32_t epoll_events,
                                std::function<void(std::uint32_t)> callback);
  [[nodiscard]] Source after(std::chrono::milliseconds delay, std::function<void()> callback);
  /// The signal is blocked for the process first, as signalfd wants it.
  [[nodiscard]] Source on_signal(int signal, std::function<void()> callback);
  /// Once, in a later iteration, after what is ready now.
  void defer(std::function<void()> callback);
  /// Before each wait, so that a foreign connection can say what it waits for.
  [[nodiscard]] Source before_wait(std::function<void()> callback);
  /// Changes what a watch_fd source waits for.
  static void set_events(const Source& source, std::uint32_t epoll_events);
  /// One round: waits at most `timeout` for something to happen and handles it.
  void run_once(std::chrono::milliseconds timeout);
  /// Until stop(); its status.
  int run();
  void stop(int status);
  /// Whether run() has ended: from then on nothing can be watched any more (sd_event_add_io: ESTALE).
  bool has_ended() const;
  /// Tells systemd's watchdog that the loop turns, if it asked for that.
  void enable_watchdog();
  sd_event* get() const { return event_; }

 private:
  void run_deferred();
  sd_event* event_{};
  Source deferred_source_;
  std::vector<std::function<void()>> deferred_;
};

}  // namespace gpuctl
