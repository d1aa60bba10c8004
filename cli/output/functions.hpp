// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "cli/output/console.hpp"
#include "cli/values.hpp"

namespace gpuctl::cli {

enum class Detail { as_lspci, with_power };

/// The lines that `lspci -nnk` has for this function, indented by two.
std::string function_text(const Function& function, Detail detail = Detail::as_lspci);
/// "IOMMU Group 15:", its functions, and whether what it holds can be given away by itself.
std::string group_text(const Console& console, const Group& group, Detail detail = Detail::as_lspci);

}  // namespace gpuctl::cli
