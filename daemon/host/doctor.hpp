// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/devices.hpp"
#include "core/problem.hpp"
#include "host/host_facts.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// Is this host ready to give a GPU to a VM? Findings in the order in which they are best dealt with; each
/// says what was read where (subject), what it means (message) and what to do next on this distribution
/// (remedy). The last one has the id "ready": severity ok when at least one GPU can go, else blocker with the
/// first thing to do. A GPU's blockers stand for that GPU only. Reads files below `root`, runs nothing, needs
/// no root.
Problems diagnose(const RootDir& root, const Snapshot& snapshot, const Caller& caller);

}  // namespace gpuctl
