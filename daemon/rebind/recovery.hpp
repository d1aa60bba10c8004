// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/problem.hpp"
#include "core/step.hpp"
#include "os/root_dir.hpp"
#include "rebind/journal.hpp"

namespace gpuctl {

/// What to do about an operation that ended without ending: its helper was killed, or the machine's daemon
/// was.
struct Recovery {
  Plan plan;  ///< towards the host; empty = all is there, only the journal has to go
  Problems
      problems;  ///< why not now: gpu-stuck (a driver's remove or probe still runs, or the helper lives),
                 ///< device-changed, device-moved, device-gone (the latter alone does not stop it)
  bool
      may_adopt{};  ///< an attach that got all functions to vfio: if the GPU has users, keep it (see adopt())
};

/// Pure. The plan starts with check_users if any of its steps could hurt one, never stops a VM, and can be
/// run again from wherever it was interrupted.
Recovery recovery_plan(const JournalContents& journal, const Snapshot& now, const Drivers& drivers,
                       bool helper_alive);
/// With the live state of the machine.
Recovery recovery_plan(const JournalContents& journal, const RootDir& root);

/// The attach had in effect succeeded: keep its record, drop its journal.
void adopt(const JournalContents& journal, JournalStore& journals, class SavedBindings& bindings);

}  // namespace gpuctl
