// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/event_loop.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>

#include <cstring>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/log.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {
namespace {

/// A callback and the sd-event source that calls it.
struct Watch {
  std::function<void(std::uint32_t)> callback;
  sd_event_source* source{};
  UniqueFd never_ready;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  explicit Watch(std::function<void(std::uint32_t)> f) : callback(std::move(f)) {}
  ~Watch() {
    if (source == nullptr) return;
    sd_event_source_set_enabled(source, SD_EVENT_OFF);
    sd_event_source_unref(source);
  }
};

template <class Callback, class... Arguments>
void guarded(const Callback& callback, Arguments... arguments) {
  try {
    callback(arguments...);
  } catch (const std::exception& e) {
    log(events::error, fmt::format("unexpected error in an event handler: {}", e.what()));
  }
}

int call(void* data, std::uint32_t events = 0) {
  // a copy, so that a callback may drop its own source
  const auto callback = static_cast<Watch*>(data)->callback;
  guarded(callback, events);
  return 0;
}

int on_io(sd_event_source*, int, std::uint32_t events, void* data) { return call(data, events); }
int on_time(sd_event_source*, std::uint64_t, void* data) { return call(data); }
int on_signal_event(sd_event_source*, const signalfd_siginfo*, void* data) { return call(data); }
int on_plain(sd_event_source*, void* data) { return call(data); }

void check(int result, const char* what) {
  if (result < 0) throw Error(ErrorCode::internal, fmt::format("{}: {}", what, std::strerror(-result)));
}

std::shared_ptr<Watch> make_watch(std::function<void()> callback) {
  return std::make_shared<Watch>([callback = std::move(callback)](std::uint32_t) { callback(); });
}

}  // namespace

EventLoop::EventLoop() {
  check(sd_event_new(&event_), "cannot make an event loop");
  auto watch = make_watch([this] { run_deferred(); });
  check(sd_event_add_defer(event_, &watch->source, on_plain, watch.get()), "cannot make an event loop");
  sd_event_source_set_enabled(watch->source, SD_EVENT_OFF);
  deferred_source_ = watch;
}

EventLoop::~EventLoop() {
  deferred_source_.reset();
  sd_event_unref(event_);
}

EventLoop::Source EventLoop::watch_fd(int fd, std::uint32_t events,
                                      std::function<void(std::uint32_t)> callback) {
  auto watch = std::make_shared<Watch>(std::move(callback));
  check(sd_event_add_io(event_, &watch->source, fd, events, on_io, watch.get()), "cannot watch a descriptor");
  return watch;
}

void EventLoop::set_events(const Source& source, std::uint32_t events) {
  sd_event_source_set_io_events(static_cast<Watch*>(source.get())->source, events);
}

EventLoop::Source EventLoop::after(std::chrono::milliseconds delay, std::function<void()> callback) {
  auto watch = make_watch(std::move(callback));
  const auto usec = static_cast<std::uint64_t>(std::chrono::microseconds(delay).count());
  check(sd_event_add_time_relative(event_, &watch->source, CLOCK_MONOTONIC, usec, 1000, on_time, watch.get()),
        "cannot set a timer");
  return watch;
}

EventLoop::Source EventLoop::on_signal(int signal, std::function<void()> callback) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  auto watch = make_watch(std::move(callback));
  check(sd_event_add_signal(event_, &watch->source, signal, on_signal_event, watch.get()),
        "cannot watch a signal");
  return watch;
}

void EventLoop::defer(std::function<void()> callback) {
  deferred_.push_back(std::move(callback));
  sd_event_source_set_enabled(static_cast<Watch*>(deferred_source_.get())->source, SD_EVENT_ONESHOT);
}

void EventLoop::run_deferred() {
  for (const auto& callback : std::exchange(deferred_, {})) guarded(callback);
}

EventLoop::Source EventLoop::before_wait(std::function<void()> callback) {
  // sd-event prepares enabled sources only, so the hook rides on a descriptor that is never readable
  auto watch = make_watch(std::move(callback));
  watch->never_ready = UniqueFd{::eventfd(0, EFD_CLOEXEC)};
  check(sd_event_add_io(event_, &watch->source, watch->never_ready.get(), EPOLLIN, on_io, watch.get()),
        "cannot add a hook");
  check(sd_event_source_set_prepare(watch->source, on_plain), "cannot add a hook");
  return watch;
}

void EventLoop::run_once(std::chrono::milliseconds timeout) {
  sd_event_run(event_, static_cast<std::uint64_t>(std::chrono::microseconds(timeout).count()));
}

int EventLoop::run() { return sd_event_loop(event_); }
void EventLoop::stop(int status) { sd_event_exit(event_, status); }
bool EventLoop::has_ended() const { return sd_event_get_state(event_) == SD_EVENT_FINISHED; }
void EventLoop::enable_watchdog() { sd_event_set_watchdog(event_, 1); }

}  // namespace gpuctl
