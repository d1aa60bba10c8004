// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "operations/operation_list.hpp"
#include "rebind/state_dir.hpp"

namespace gpuctl {

/// The number of the last operation since the machine has started, so that numbers go on after a restart of
/// gpuctld: a script that waits for a number must not be told of another operation.
class LastNumber {
 public:
  explicit LastNumber(const std::filesystem::path& runtime_dir) : dir_(runtime_dir / "operations") {}
  /// From the recorded one on; from 1 if it is not known.
  OperationNumbers numbers();

 private:
  unsigned read() const;
  void record(unsigned number);
  StateDir dir_;
};

}  // namespace gpuctl
