// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "operations/platform.hpp"
#include "operations/runner.hpp"
#include "os/unique_fd.hpp"
#include "rebind/journal.hpp"

namespace gpuctl {

/// Functions that a process of an earlier gpuctld still moves, by their journals: it sits in the kernel, and
/// what of them waits for a driver must not be read.
std::vector<PciAddress> functions_held_by_helpers(const Platform& platform);

/// Finishes or undoes what a crash left behind: at start, when a worker dies, when the process that was left
/// in a kernel call ends, and again whenever the devices change, or after a while where only libvirt was
/// away or the work's process died, until the journal is gone.
class Recoveries {
 public:
  /// Before what failed is tried again: doubled each time.
  struct Retries {
    std::chrono::milliseconds first{2'000}, last{60'000};
  };
  Recoveries(EventLoop& loop, Inventory& inventory, OperationList& operations, Runner& runner,
             Platform platform, Retries retries);
  Recoveries(EventLoop& loop, Inventory& inventory, OperationList& operations, Runner& runner,
             Platform platform)
      : Recoveries(loop, inventory, operations, runner, std::move(platform), Retries{}) {}
  void start();
  /// Between true and false - the machine sleeps - nothing begins.
  void pause(bool asleep);
  /// gpuctld is about to end: nothing begins any more.
  void stop() { stopping_ = true; }
  /// Whether this GPU's last operation was never finished.
  bool pending(PciSlot gpu) const { return pending_.contains(gpu); }
  /// Tries now, for `started_by` (0: gpuctld itself); the operation's number, nothing if there is nothing to
  /// recover or it cannot begin yet.
  std::optional<unsigned> recover(PciSlot gpu, std::uint32_t started_by = 0);

 private:
  struct Helper {
    UniqueFd process;
    std::vector<PciAddress> functions;
    unsigned operation{};  ///< that shows the GPU as stuck
    EventLoop::Source ended;
  };
  /// For what no device tells: that libvirt has come back, that a process can do its work to the end.
  struct Wait {
    std::chrono::milliseconds patience{};  ///< before the next attempt; none before the first
    EventLoop::Source over;
  };
  bool may_begin(PciSlot gpu) const;
  void recovery_ended(const Operation& operation);
  void try_to_recover(PciSlot gpu);
  void recover_later(PciSlot gpu);
  void keep_trying(PciSlot gpu);
  void remove_unfinished(const std::string& of) const;
  bool is_home(PciSlot slot) const;
  bool has_journal(PciSlot slot) const;
  void settle_assignment(PciSlot gpu);
  std::optional<JournalContents> journal_of(PciSlot gpu) const;
  std::string vm_name(PciSlot gpu, const std::string& uuid) const;
  bool wait_for_helper(const JournalContents& journal);
  unsigned show_stuck(const JournalContents& journal);
  void helper_ended(PciSlot gpu);
  void retry();

  EventLoop& loop_;
  Inventory& inventory_;
  OperationList& operations_;
  Runner& runner_;
  Platform platform_;
  Retries retries_;
  std::set<PciSlot> pending_;
  std::map<PciSlot, Helper> helpers_;  ///< left in a kernel call
  std::map<PciSlot, Wait> waits_;
  std::set<PciSlot> worker_lives_;  ///< a recovery waits for its end
  bool retry_due_{};
  bool asleep_{};
  bool stopping_{};
};

}  // namespace gpuctl
