// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <filesystem>

#include "os/unique_fd.hpp"
#include "vm/hypervisor.hpp"

namespace gpuctl {

/// The right to change a domain's definition. libvirt replaces a definition as a whole: whoever reads,
/// changes and defines one without it takes back what another process of gpuctl has done meanwhile. It ends
/// with this object or with its process. Nothing that waits for libvirt's hook may be done under it: no
/// start.
class DomainLock {
 public:
  static constexpr std::chrono::milliseconds patience{10000};  ///< a change takes a fraction of a second

  /// Waits for whoever has it; worker processes only. `dir` is made if need be, and is root's alone: whoever
  /// can open a lock's file can hold it. Throws Error(busy), Error(state_unwritable), Error(invalid_argument)
  /// for a domain without a proper UUID.
  DomainLock(const std::filesystem::path& dir, const Vm& vm, std::chrono::milliseconds longest = patience);

 private:
  UniqueFd file_;
};

}  // namespace gpuctl
