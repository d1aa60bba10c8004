// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

struct sd_event;
struct sd_event_source;

namespace gpuctl {

/// sd-event with owners. One thread; callbacks must not block and must not throw (what they throw is logged).
class EventLoop {
 public:
  struct SourceDeleter {
    void operator()(sd_event_source*) const noexcept;
  };
  /// Removes its watch when destroyed.
  using Source = std::shared_ptr<void>;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  [[nodiscard]] Source watch_fd(int fd, std::uint32_t epoll_events, std::function<void(std::uint32_t)> callback);
  [[nodiscard]] Source after(std::chrono::milliseconds delay, std::function<void()> callback);
  [[nodiscard]] Source on_signal(int signal, std::function<void()> callback);
  /// Once, in the next iteration, after the sources that are ready now.
  void defer(std::function<void()> callback);
  /// Before each wait: lets a foreign connection say what it waits for.
  [[nodiscard]] Source before_wait(std::function<void()> callback);
  int run();
  void stop(int status);
  sd_event* get() const { return event_; }

 private:
  struct Callback;
  sd_event* event_{};
};

}  // namespace gpuctl
