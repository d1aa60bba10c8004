// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>

#include "cli/output/console.hpp"

namespace gpuctl::cli {

/// A unified diff with its lines coloured as people expect.
std::string diff_text(const Console& console, std::string_view diff);

}  // namespace gpuctl::cli
