// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <memory>
#include <set>
#include <string>

#include "operations/assignments.hpp"
#include "operations/requests.hpp"

namespace gpuctl {

/// Brings GPUs home when the domain that has them ends, however it ends: by libvirt's events, by libvirt's
/// hook, and, for what was missed while gpuctld or libvirt was away, by asking when it is back. Watches only
/// while a GPU is away.
class VmWatch {
 public:
  VmWatch(EventLoop& loop, WorkerPool& workers, Inventory& inventory, OperationList& operations,
          Requests& requests, Assignments& assignments, Platform platform);
  /// Starts or stops watching as assignments and devices are now.
  void update();
  /// The domain with this UUID has ended.
  void ended(const std::string& uuid);
  void started(const std::string& uuid);
  /// Told when a domain with a GPU has started or ended.
  void on_change(std::function<void()> observer) { changed_ = std::move(observer); }

 private:
  bool needed() const;
  void watch();
  void on_message(const std::string& text);
  void go_home(const Assignment& assignment);

  EventLoop& loop_;
  WorkerPool& workers_;
  Inventory& inventory_;
  OperationList& operations_;
  Requests& requests_;
  Assignments& assignments_;
  Platform platform_;
  std::unique_ptr<Worker> worker_;
  EventLoop::Source retry_;
  std::function<void()> changed_ = [] {};
  std::set<PciSlot> due_;  ///< go home as soon as no other operation has them
};

}  // namespace gpuctl
