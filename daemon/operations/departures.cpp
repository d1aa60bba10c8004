// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/departures.hpp"

#include <fcntl.h>
#include <sys/epoll.h>

#include <array>

#include "core/error.hpp"
#include "operations/fair_share.hpp"

namespace gpuctl {

UniqueFd Departures::lock(std::uint32_t uid) {
  if (FairShare{max_locks_per_uid, max_locks}.is_used_up(uid, locks_))
    throw Error(ErrorCode::limits_exceeded, "too many locks of this user are held; close some first");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) < 0)
    throw Error(ErrorCode::internal, "cannot make a lock");
  const unsigned id = next_++;
  auto& lock = locks_[id];
  lock.uid = uid;
  lock.ours = UniqueFd{ends[0]};
  lock.closed = loop_.watch_fd(ends[0], EPOLLHUP, [this, id](std::uint32_t) { forget(id); });
  return UniqueFd{ends[1]};
}

void Departures::announce(PciSlot gpu, std::function<void()> ready) {
  announced_.insert(gpu);
  tell_(gpu, true);
  auto& wait = waits_[gpu];
  wait.ready = std::move(ready);
  for (const auto& [id, lock] : locks_) wait.for_locks.insert(id);
  if (wait.for_locks.empty()) return loop_.defer([this, gpu] { proceed(gpu); });
  wait.timeout = loop_.after(patience_, [this, gpu] { proceed(gpu); });
}

void Departures::hurry(PciSlot gpu) {
  loop_.defer([this, gpu] { proceed(gpu); });
}

void Departures::returned(PciSlot gpu) {
  if (announced_.erase(gpu) != 0) tell_(gpu, false);
}

void Departures::forget(unsigned lock) {
  locks_.erase(lock);
  std::vector<PciSlot> free;
  for (auto& [gpu, wait] : waits_)
    if (wait.for_locks.erase(lock) != 0 && wait.for_locks.empty()) free.push_back(gpu);
  for (const auto gpu : free) proceed(gpu);
}

void Departures::proceed(PciSlot gpu) {
  auto node = waits_.extract(gpu);
  if (!node.empty()) node.mapped().ready();
}

}  // namespace gpuctl
