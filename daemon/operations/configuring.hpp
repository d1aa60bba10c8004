// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <string>

#include "operations/queries.hpp"

namespace gpuctl {

/// Work that changes the system's configuration, one at a time: two tools that write the boot loader's files
/// side by side would each undo what the other has done. It takes minutes where an initramfs is built.
class Configuring {
 public:
  /// Longer than gpuctl-apply@.service may run (TimeoutStartSec= there).
  static constexpr std::chrono::minutes unit_deadline{16};
  static constexpr std::chrono::minutes deadline{17};

  Configuring(EventLoop& loop, WorkerPool& workers) : loop_(loop), queries_(loop, workers, deadline) {}

  /// As Queries::ask; Error(busy) naming what runs. `what` as in "gpuctld WHAT at the moment": "sets a boot
  /// policy".
  void run(const std::string& what, std::uint32_t uid, Queries::Body body, Queries::Answer answer);

 private:
  EventLoop& loop_;
  Queries queries_;
  std::string running_;
};

}  // namespace gpuctl
