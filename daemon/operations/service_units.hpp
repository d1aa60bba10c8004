// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "host/quiesce.hpp"
#include "operations/platform.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

QuiescePolicy quiesce_policy(const Config& config);

/// Units of the system manager that an attach stops, and those of them that other GPUs need again.
struct ServiceUnits {
  std::vector<std::string> stop, start;
};

/// For a GPU that has this driver: those that hold it (`holding`), and those that had to let go of another
/// GPU of the driver and open this one too.
ServiceUnits service_units(const Gpu& gpu, const std::string& driver, const std::vector<std::string>& holding,
                           const RootDir& root, const Platform& platform);

/// Each once.
void add_missing(std::vector<std::string>& to, const std::vector<std::string>& more);

}  // namespace gpuctl
