// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "cli/output/console.hpp"
#include "cli/values.hpp"

namespace gpuctl::cli {

/// Each problem with its remedy: two lines on a terminal, one record (severity, id, subject, message, remedy)
/// else.
std::string problems_text(const Console& console, const std::vector<Problem>& problems);
bool any_blocks(const std::vector<Problem>& problems);

}  // namespace gpuctl::cli
