// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <set>

#include "core/pci_address.hpp"
#include "os/event_loop.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {

/// Programs that want to let go of a GPU before it leaves the host, as logind's delay inhibitors let them
/// before sleep: whoever holds a lock is told, and waited for until the lock is closed, but never longer than
/// the patience.
class Departures {
 public:
  static constexpr std::size_t max_locks_per_uid = 16;
  static constexpr std::size_t max_locks = 128;

  /// `tell(gpu, true)` before it leaves, `tell(gpu, false)` when it is back or has stayed.
  Departures(EventLoop& loop, std::chrono::milliseconds patience, std::function<void(PciSlot, bool)> tell)
      : loop_(loop), patience_(patience), tell_(std::move(tell)) {}

  /// The client's end of a new lock; closing it gives the lock back. Throws Error(limits_exceeded).
  UniqueFd lock(std::uint32_t uid);
  /// Tells all, then calls `ready` when nobody delays it any more.
  void announce(PciSlot gpu, std::function<void()> ready);
  /// Nobody is waited for any longer before this one leaves; `ready` is called soon.
  void hurry(PciSlot gpu);
  /// It left before this process began: when it comes back, that is told.
  void has_left(PciSlot gpu) { announced_.insert(gpu); }
  /// Tells that the GPU stays, or is back, if its leaving was announced.
  void returned(PciSlot gpu);

 private:
  struct Lock {
    std::uint32_t uid{};
    UniqueFd ours;
    EventLoop::Source closed;
  };
  struct Wait {
    std::set<unsigned> for_locks;
    std::function<void()> ready;
    EventLoop::Source timeout;
  };
  void forget(unsigned lock);
  void proceed(PciSlot gpu);

  EventLoop& loop_;
  std::chrono::milliseconds patience_;
  std::function<void(PciSlot, bool)> tell_;
  std::map<unsigned, Lock> locks_;
  std::map<PciSlot, Wait> waits_;
  std::set<PciSlot> announced_;
  unsigned next_{1};
};

}  // namespace gpuctl
