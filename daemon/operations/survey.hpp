// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/devices.hpp"
#include "host/quiesce.hpp"
#include "operations/platform.hpp"
#include "operations/request.hpp"
#include "operations/survey_problems.hpp"
#include "rebind/executor.hpp"

namespace gpuctl {

/// A survey with what is needed to act on it.
struct Prepared {
  Survey survey;
  Transaction transaction;
  QuiescePlan quiesce;  ///< what the plan does so that others let go
};

/// Everything that stands in the way of a resolved request, and the plan. Blocks on /proc and libvirt:
/// workers only. Throws Error(vm_not_found | libvirt_unavailable | not_found).
Prepared prepare(const Request& request, const Snapshot& snapshot, const Platform& platform);

}  // namespace gpuctl
