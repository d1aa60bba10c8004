// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <vector>

#include "core/problem.hpp"
#include "rebind/binding.hpp"
#include "rebind/state_dir.hpp"

namespace gpuctl {

/// Where GPUs that are away belong, one file for each slot. Of this boot only: records of another are
/// dropped.
class SavedBindings {
 public:
  SavedBindings(StateDir& dir, std::string boot_id) : dir_(dir), boot_id_(std::move(boot_id)) {}
  /// Durable when it returns; throws Error(state_unwritable). Sets the boot id.
  void save(Binding binding);
  /// Nothing for one that is absent, of another boot or corrupt.
  std::optional<Binding> find(PciSlot slot) const;
  /// All that find() would find.
  std::vector<Binding> all() const;
  void remove(PciSlot slot);

  struct Loaded {
    std::vector<Binding> bindings;
    Problems problems;  ///< record-corrupt: moved aside
  };
  /// All of them; tidies away what is corrupt or of another boot.
  Loaded load();

 private:
  StateDir& dir_;
  std::string boot_id_;
};

/// Off VFIO, and with a driver as long as there is a record: an operation that could not be finished leaves
/// it without.
bool is_where_it_belongs(const Gpu& gpu, const Snapshot& snapshot, const SavedBindings& records);

}  // namespace gpuctl
