// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "core/devices.hpp"
#include "operations/platform.hpp"
#include "operations/request.hpp"

namespace gpuctl {

/// The address of the GPU that a request means, by what find_gpu() takes. A release without an argument means
/// the only one that is away; else, at home, the only one that a domain's definition still has by gpuctl, or
/// the only one that could be away. Throws as find_gpu() does; for a GPU that is gone, and that a domain was
/// given, the Error(not_found) says that.
std::string gpu_meant(const Request& request, const Snapshot& snapshot, const Platform& platform);

}  // namespace gpuctl
