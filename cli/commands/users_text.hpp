// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "cli/context.hpp"

namespace gpuctl::cli {

/// Who holds the GPU: a table for people, with the remedies below it; one record a holder else.
std::string users_text(const Context& context, const std::vector<User>& users);

}  // namespace gpuctl::cli
