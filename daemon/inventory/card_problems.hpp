// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <set>
#include <string>

#include "core/devices.hpp"
#include "core/problem.hpp"

namespace gpuctl {

/// What is wrong with the card itself, apart from its IOMMU groups and the host: presence, displays, state,
/// neighbours in the slot, resets. `along` as in attach_problems().
Problems card_problems(const Gpu& gpu, const Snapshot& snapshot, const std::set<PciAddress>& along = {});

/// The IOMMU groups of its functions; usually one.
std::set<unsigned> group_numbers(const Gpu& gpu, const Snapshot& snapshot);

/// "0000:02:00.0 (Ethernet controller: Realtek RTL8111, driver r8169)", with ids where there are no names.
std::string title(const PciFunction& function);

Problem blocker(std::string id, std::string subject, std::string message, std::string remedy);
Problem warning(std::string id, std::string subject, std::string message, std::string remedy);
void append(Problems& all, Problems more);

}  // namespace gpuctl
