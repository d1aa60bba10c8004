// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/call_options.hpp"

#include <algorithm>

#include <fmt/ranges.h>

namespace gpuctl {

bool flag(const wire::Dict& options, const std::string& key, bool otherwise) {
  return find_option<bool>(options, key, "boolean").value_or(otherwise);
}

void require_known(const wire::Dict& options, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : options) {
    wire::require_plain("an option's name", key);
    if (std::ranges::find(known, key) == known.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("unknown option {}; known here: {}", key, fmt::join(known, ", ")));
  }
}

}  // namespace gpuctl
