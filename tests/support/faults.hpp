// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gpuctl::test {

/// Thrown where the process is killed: nothing of the product catches it.
struct Crash {};
/// Thrown where a call never returns: the process is as good as gone, but alive.
struct Hang {};

enum class FaultKind {
  error,  ///< the call fails with `number`, without effect
  crash_before,
  crash_after,
  hang,
  late,       ///< returns with its effect, an hour later
  no_effect,  ///< reports success and does nothing
  vanish,     ///< the function leaves the bus first
  all_ones,   ///< the card falls off the bus first
};

struct Fault {
  FaultKind kind{};
  int number{};  ///< errno
};

/// One counter of effects for everything that changes the world in a test, and what goes wrong at which of
/// them.
class Faults {
 public:
  void at(std::size_t effect, Fault fault) { faults_[effect] = fault; }
  void clear() { faults_.clear(); }
  /// Starts counting again.
  void forget() { seen_.clear(); }
  /// Called where an effect is about to happen; throws Crash for crash_before.
  std::optional<Fault> next(const std::string& what) {
    const auto effect = seen_.size();
    seen_.push_back(what);
    const auto found = faults_.find(effect);
    if (found == faults_.end()) return std::nullopt;
    ++met_;
    if (found->second.kind == FaultKind::crash_before) throw Crash{};
    return found->second;
  }
  /// Every effect so far, in order.
  const std::vector<std::string>& seen() const { return seen_; }
  std::size_t met() const { return met_; }

 private:
  std::map<std::size_t, Fault> faults_;
  std::vector<std::string> seen_;
  std::size_t met_{};
};

}  // namespace gpuctl::test
