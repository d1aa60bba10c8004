// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "world.hpp"

namespace gpuctl::test {

enum class Verb { attach, release };

/// One operation on one machine.
struct Case {
  std::string machine;
  void (*build)(FakeMachine&){};
  Verb verb{};
  std::string name() const { return (verb == Verb::attach ? "attach of the " : "release of the ") + machine; }
};

/// How one scenario ended.
struct Verdict {
  std::string ending;               ///< "succeeded", "rolled-back", "killed", "hung", ...
  std::vector<std::string> broken;  ///< promises that were not kept; empty = good
  std::size_t effects{};            ///< of the operation, its rollback and the recovery
};

using FaultsAt = std::map<std::size_t, Fault>;

/// Effects of the operation when nothing goes wrong, in order.
std::vector<std::string> effects_of(const Case& each);

/// The operation with these faults (counted from its first effect), then what the daemon does afterwards -
/// let the kernel finish, recover, recover again if that was killed too - and then the promises: every
/// function on its recorded driver or all on vfio, no stray override or power setting, unit, domain device,
/// module, record or journal, and the next attach and release work.
Verdict play(const Case& each, const FaultsAt& faults);

/// What was seen until the operation had ended by itself (with its rollback) under these faults.
std::vector<std::string> effects_until_end(const Case& each, const FaultsAt& faults);
/// What was seen of operation and recovery together.
std::vector<std::string> effects_with_recovery(const Case& each, const FaultsAt& faults);

}  // namespace gpuctl::test
