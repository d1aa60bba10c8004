// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_uuid.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl {

void require_uuid(const std::string& text) {
  const bool good = text.size() == 36 && std::ranges::all_of(text, [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
                    });
  if (!good) throw Error(ErrorCode::invalid_argument, fmt::format("'{}' is no UUID of a VM.", text));
}

}  // namespace gpuctl
