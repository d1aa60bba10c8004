// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/problem.hpp"
#include "core/step.hpp"
#include "os/root_dir.hpp"
#include "rebind/journal.hpp"

namespace gpuctl {

/// What to do about an operation that ended without ending: its helper was killed, or its rollback failed.
struct Recovery {
  Plan find_again;    ///< a rescan for what was taken off the bus; then all is to be worked out anew
  Plan plan;          ///< towards the host; empty = all is there, only the journal has to go
  Plan reopen;        ///< device files that it has closed: after the plan, and also when that is not to be
  Problems problems;  ///< blocker gpu-stuck: a driver's remove() still runs, or the helper lives; not now.
                      ///< Warnings device-changed, device-moved, device-gone: that function cannot be
                      ///< restored, the others can
  bool goes_home{};   ///< the plan leads to the recorded state: else nothing had been bound or unbound yet
  bool complete{};    ///< every step had been done, and holds: nothing to take back
  bool may_adopt{};   ///< an attach that got all functions to vfio: if the GPU has users, it stays with them
};

/// Pure. The plan starts with a check_users for every function it would unbind, never stops a VM, and can be
/// run again from wherever it was interrupted.
Recovery recovery_plan(const JournalContents& journal, const Snapshot& now, const Drivers& drivers,
                       bool helper_alive);
/// Device files that the operation has closed and may not have opened again.
Plan reopening(const JournalContents& journal);
/// The same where only the first line of its journal is legible: all that it was going to close.
Plan reopening(const JournalHeader& header);
/// With the live state of the machine.
Recovery recovery_plan(const JournalContents& journal, const RootDir& root);

}  // namespace gpuctl
