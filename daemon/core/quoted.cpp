// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/quoted.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace gpuctl {
namespace {

/// Length of the printable UTF-8 character at the start of `text`, 0 if there is none.
std::size_t printable(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return byte(0) >= 0x20 && byte(0) != 0x7f ? 1 : 0;
  const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const auto second = byte(1);
  const bool overlong = (byte(0) == 0xe0 && second < 0xa0) || (byte(0) == 0xf0 && second < 0x90);
  const bool no_character = (byte(0) == 0xed && second > 0x9f) || (byte(0) == 0xf4 && second > 0x8f);
  const bool c1_control = byte(0) == 0xc2 && second < 0xa0;
  return overlong || no_character || c1_control ? 0 : length;
}

void escape(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const auto length = printable(text);
    if (length == 0) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  escape(text, out);
  return out;
}

std::string quoted(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  const auto half = limit / 2;
  escape(text.size() > limit ? text.substr(0, half) : text, out);
  if (text.size() > limit) out += "...";
  if (text.size() > limit) escape(text.substr(text.size() - half), out);
  return out + "\"";
}

}  // namespace gpuctl
