// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <memory>
#include <string>

#include "operations/assignments.hpp"
#include "operations/requests.hpp"

namespace gpuctl {

/// What libvirt says of a domain when it is asked.
enum class DomainPresence { stopped, started, transient, gone };

/// Brings GPUs home when the domain that has them ends, however it ends: by libvirt's events, by libvirt's
/// hook, and, for what was missed while gpuctld or libvirt was away, by asking when it is back. Watches only
/// while a GPU is away, or recorded as in use.
class VmWatch {
 public:
  VmWatch(EventLoop& loop, WorkerPool& workers, Inventory& inventory, OperationList& operations,
          Requests& requests, Assignments& assignments, Platform platform);
  /// No domain of another boot runs any more. Before anything else.
  void settle_other_boots();
  /// Starts or stops watching as assignments and devices are now.
  void update();
  /// The domain with this UUID has been given a GPU, or will be: it is asked for as soon as libvirt tells.
  void look_at(const std::string& uuid);
  /// The domain with this UUID has ended.
  void ended(const std::string& uuid);
  void started(const std::string& uuid);
  /// A domain is about to use this GPU: it does not go home, whatever ended before.
  void claimed(PciSlot gpu) { due_.erase(gpu); }
  /// A domain does not get this GPU after all: it goes home.
  void give_back(PciSlot gpu, const std::string& vm_uuid, const std::string& vm_name);
  /// Told when a domain with a GPU has started or ended.
  void on_change(std::function<void()> observer) { changed_ = std::move(observer); }

 private:
  struct Due {
    std::string vm_uuid, vm_name;
    bool recorded{true};  ///< the assignment tells that the domain has ended
  };
  bool needed() const;
  bool is_awaited(const Assignment& assignment) const;
  bool is_home(const Gpu& gpu) const;
  void watch();
  void retry_later();
  void on_message(const std::string& text);
  bool has_ended(const std::string& uuid, bool seen) const;
  void undefined(const std::string& uuid);
  bool remember(const Assignment& assignment);
  void settle(const Assignment& assignment);
  void go_home(PciSlot slot, const Due& due);
  void try_again(PciSlot slot, const Due& due);
  void start_release(PciSlot slot, const Due& due);

  EventLoop& loop_;
  WorkerPool& workers_;
  Inventory& inventory_;
  OperationList& operations_;
  Requests& requests_;
  Assignments& assignments_;
  Platform platform_;
  std::unique_ptr<Worker> worker_;
  EventLoop::Source retry_;
  std::chrono::seconds patience_{};  ///< before the last retry
  std::function<void()> changed_ = [] {};
  std::map<PciSlot, Due> due_;  ///< go home as soon as no other operation has them
};

}  // namespace gpuctl
