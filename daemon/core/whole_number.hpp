// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace gpuctl {

/// A decimal number, if the text is that and nothing else.
inline std::optional<unsigned> whole_number(std::string_view text) {
  unsigned value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace gpuctl
