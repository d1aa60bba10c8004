// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "operations/queries.hpp"

namespace gpuctl {

/// Work that changes the system's configuration, one at a time: two tools that write the boot loader's files
/// side by side would each undo what the other has done. It takes minutes where an initramfs is built.
class Configuring {
 public:
  /// Longer than gpuctl-apply@.service may run (TimeoutStartSec= there).
  static constexpr std::chrono::minutes unit_deadline{16};
  static constexpr std::chrono::minutes deadline{17};
  static constexpr std::chrono::seconds brief_deadline{30};
  static constexpr std::size_t longest_line = 32;

  struct Work {
    std::string what;  ///< as in "gpuctld WHAT at the moment": "sets a boot policy"
    std::uint32_t uid{};
    Queries::Body body;
    /// Begun by the system itself, and soon over: nobody is told to try again because of it, others wait; and
    /// as nobody would try again for it, it waits for others.
    bool brief{};
  };

  Configuring(EventLoop& loop, WorkerPool& workers) : loop_(loop), queries_(loop, workers, deadline) {}

  /// Told when work that takes minutes begins and ends: `busy` says which.
  void on_change(std::function<void()> told) { told_ = std::move(told); }
  bool busy() const { return !running_.empty() && !running_is_brief_; }

  /// As Queries::ask; Error(busy) naming what runs, where neither of the two is brief.
  void run(Work work, Queries::Answer answer);

 private:
  struct Waiting {
    Work work;
    Queries::Answer answer;
  };
  bool may_wait(const Work& work) const;
  void refuse(Queries::Answer answer);
  void start(Work work, Queries::Answer answer);
  void let_in();

  EventLoop& loop_;
  Queries queries_;
  std::string running_;
  bool running_is_brief_{};
  std::deque<Waiting> waiting_;
  std::function<void()> told_ = [] {};
};

}  // namespace gpuctl
