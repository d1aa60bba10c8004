// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <set>
#include <string_view>

#include "core/devices.hpp"
#include "core/problem.hpp"

namespace gpuctl {

/// Everything about devices that stands in the way of handing `gpu` to a VM, all at once; blockers first.
/// `along`: functions that the same VM gets by its definition, which are in nobody's way.
/// Pure: what users, VMs and the host's software add is found elsewhere.
Problems attach_problems(const Gpu& gpu, const Snapshot& snapshot, const std::set<PciAddress>& along = {});

/// Of these what no driver of the GPU's own changes: the host's IOMMU and the GPU's groups.
Problems shared_problems(const Gpu& gpu, const Snapshot& snapshot, const std::set<PciAddress>& along = {});

/// Takes out what an operation that is under way makes true and its end makes untrue.
void leave_out_passing(Problems& problems);

/// What keeps a group from being given to a VM on its own. The rule is the kernel's
/// (iommu_group_claim_dma_owner since 5.19): nobody but VFIO may drive a function of it; drivers that do no
/// DMA themselves (pcieport, pci-stub) do not count.
Problems group_problems(const IommuGroup& group, const Snapshot& snapshot);

/// Whether the group's own GPU (or its one slot, where there is none) can be given away without touching
/// other devices.
bool is_isolated(const IommuGroup& group, const Snapshot& snapshot);

/// Whether --force may override the problem: what harms only the one who asks (a dark screen), not what the
/// kernel would refuse, nor what takes devices away from others.
bool may_be_forced(std::string_view problem_id);

}  // namespace gpuctl
