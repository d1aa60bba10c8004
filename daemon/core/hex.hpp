// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace gpuctl {

/// Lower case, at least `digits` wide. Thousands of them are in one listing: a format string is interpreted
/// anew for each.
inline void append_hex(std::string& text, std::uint32_t value, int digits) {
  for (int digit = 8; digit-- > 0;)
    if (digit < digits || value >> (4 * digit) != 0)
      text += std::string_view{"0123456789abcdef"}[value >> (4 * digit) & 0xfU];
}

inline std::string hex(std::uint32_t value, int digits) {
  std::string text;
  append_hex(text, value, digits);
  return text;
}

}  // namespace gpuctl
