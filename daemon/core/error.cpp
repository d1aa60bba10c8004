// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/error.hpp"

#include <algorithm>

namespace gpuctl {

std::string_view error_name(ErrorCode code) {
  return std::ranges::find(error_names, code, [](const auto& row) { return row.first; })->second;
}

ErrorCode error_code(std::string_view name) {
  const auto row = std::ranges::find(error_names, name, [](const auto& r) { return r.second; });
  return row == error_names.end() ? ErrorCode::internal : row->first;
}

}  // namespace gpuctl
