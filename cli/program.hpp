// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "cli/context.hpp"

namespace gpuctl::cli {

/// Parses `arguments` (without the program's name), runs the command, and gives the exit status.
int run(const std::vector<std::string>& arguments, const Surroundings& surroundings);

}  // namespace gpuctl::cli
