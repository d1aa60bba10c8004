// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/bus_loop.hpp"

#include <sys/epoll.h>
#include <time.h>

#include <utility>

namespace gpuctl {
namespace {

/// Then workers, deadlines and signals have their turn: what is left waits for no event, prepare() sees it.
constexpr int most_at_once = 64;

/// poll(2) and epoll share their bits for in and out.
std::uint32_t epoll_events(short events) { return static_cast<std::uint32_t>(events) & (EPOLLIN | EPOLLOUT); }

std::uint64_t monotonic_usec() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

BusLoop::BusLoop(sdbus::IConnection& connection, EventLoop& loop, std::function<void()> on_lost)
    : connection_(connection),
      loop_(loop),
      on_lost_(std::move(on_lost)),
      turns_(connection),
      fd_(dbus::poll_state(connection).fd) {
  io_ = loop_.watch_fd(fd_, EPOLLIN, [this](std::uint32_t) { process(); });
  hook_ = loop_.before_wait([this] { prepare(); });
}

void BusLoop::prepare() {
  const auto state = dbus::poll_state(connection_);
  EventLoop::set_events(io_, epoll_events(state.events));
  timer_.reset();
  if (turns_.any_waits()) return process_soon();
  if (!state.deadline_usec) return;
  const auto now = monotonic_usec();
  const auto wait = *state.deadline_usec > now ? (*state.deadline_usec - now + 999) / 1000 : 0;
  timer_ = loop_.after(std::chrono::milliseconds{wait}, [this] { process(); });
}

/// Once, however many other events sd-event hands out before.
void BusLoop::process_soon() {
  if (std::exchange(due_, true)) return;
  loop_.defer([this] {
    due_ = false;
    process();
  });
}

void BusLoop::process() {
  try {
    turns_.begin();
    const auto one = [this] { return dbus::process_pending(connection_) || turns_.next(); };
    for (int message = 0; message < most_at_once && one(); ++message) {
    }
  } catch (const sdbus::Error&) {
    io_.reset();
    hook_.reset();
    timer_.reset();
    on_lost_();
  }
}

}  // namespace gpuctl
