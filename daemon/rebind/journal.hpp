// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/problem.hpp"
#include "core/step.hpp"
#include "rebind/binding.hpp"
#include "rebind/live_state.hpp"
#include "rebind/state_dir.hpp"

namespace gpuctl {

/// What was intended, by whom, and how things were before.
struct JournalHeader {
  std::string operation;  ///< "attach" | "release"
  Plan plan;
  Binding before;
  Binding home;
  std::string boot_id;
  ProcessId helper;  ///< who carries it out; while it lives, nobody else may touch the GPU
  std::string vm;
  unsigned started_by{};
  bool operator==(const JournalHeader&) const = default;
};

/// A journal read back.
struct JournalContents {
  JournalHeader header;            ///< with the latest helper
  std::vector<std::size_t> begun;  ///< in order; the last may have happened or not
  std::vector<std::size_t> done;
  bool rolling_back{};
  std::size_t lines{};
  PciSlot slot() const { return header.home.slot(); }
  Plan begun_steps() const;
  bool operator==(const JournalContents&) const = default;
};

/// Total: any bytes give contents or nothing. Cut off inside a line, reordered, or a bit flipped: nothing.
std::optional<JournalContents> parse_journal(const std::string& text);

/// The journal of a running operation. Each call is on disk when it returns, or throws
/// Error(state_unwritable).
class Journal {
 public:
  Journal(StateDir& dir, std::string name, std::size_t lines);
  void begin(std::size_t step);
  void done(std::size_t step);
  void rolling_back();
  /// Another process carries on (recovery).
  void helper(const ProcessId& process);
  /// Nothing is left to do: the file goes.
  void close();

 private:
  void add(nlohmann::json record);
  StateDir* dir_;
  std::string name_;
  std::size_t lines_{};
};

/// Unfinished operations, one file for each GPU slot. What is in the directory after an operation has ended
/// is the work of recovery.
class JournalStore {
 public:
  explicit JournalStore(StateDir& dir) : dir_(dir) {}
  /// Throws Error(busy) if the slot has an unfinished journal, Error(state_unwritable) if it cannot be
  /// written.
  Journal create(const JournalHeader& header);
  /// To go on with one that load() found.
  Journal reopen(const JournalContents& contents);

  struct Loaded {
    std::vector<JournalContents> unfinished;
    Problems problems;                   ///< journal-corrupt: moved aside, never acted on
    std::vector<JournalHeader> headers;  ///< of those, where it is whole and of this boot
  };
  /// Only where no operation runs: at start. Those of another boot are dropped: the kernel has forgotten what
  /// they speak of.
  Loaded load(const std::string& boot_id);
  bool has(PciSlot slot) const;
  /// An operation that could not be recovered, for one that takes its place; the record of where the GPU
  /// belongs is elsewhere.
  void forget(PciSlot slot) { dir_.remove(slot.str()); }
  /// The journal of one GPU; nothing if there is none, or it is of another boot or not whole. Leaves the
  /// others alone, which may be in the middle of a line now.
  std::optional<JournalContents> find(PciSlot slot, const std::string& boot_id) const;

 private:
  StateDir& dir_;
};

}  // namespace gpuctl
