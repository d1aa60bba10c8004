// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "core/devices.hpp"
#include "operations/platform.hpp"
#include "vm/vm_service.hpp"

namespace gpuctl {

// Bodies of queries about virtual machines: each blocks on libvirt, so each runs in a worker. Problems come
// as a JSON array of objects, changes as a unified diff.

/// The name of the VM that goes by this name or UUID. Throws Error(vm_not_found).
std::string vm_name(const std::string& name_or_uuid, const Platform& platform);
std::string virtual_machines(const Snapshot& snapshot, const Platform& platform);
std::string vm_check(const std::string& vm, const std::optional<Gpu>& gpu, const Snapshot& snapshot,
                     const Platform& platform);
std::string looking_glass_check(const std::string& vm, std::uint32_t uid, const Platform& platform);
std::string vm_setup(const std::string& vm, SetupRequest request, std::uint32_t uid, const Snapshot& snapshot,
                     const Platform& platform);
std::string vm_undo(const std::string& vm, bool dry_run, const Snapshot& snapshot, const Platform& platform);

}  // namespace gpuctl
