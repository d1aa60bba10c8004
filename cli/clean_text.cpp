// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/clean_text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace gpuctl::cli {
namespace {

constexpr char escape = '\x1b';

bool is_harmless(unsigned char c) { return c >= 0x20 && c < 0x7f; }

/// Bytes of the UTF-8 sequence that begins with `lead`; 0 if none does.
std::size_t sequence_length(unsigned char lead) {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

/// The code point at the start of `text`, 0 if that is not well-formed UTF-8 of `length` bytes.
std::uint32_t decode(std::string_view text, std::size_t length) {
  if (length == 0 || text.size() < length) return 0;
  auto point = static_cast<std::uint32_t>(static_cast<unsigned char>(text[0]) & (0xffU >> (length + 1)));
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte & 0x3fU);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  return overlong || surrogate || point > 0x10ffff ? 0 : point;
}

/// C1 controls, and the marks that make a terminal show text in another order than it is stored.
bool is_control(std::uint32_t point) {
  return (point >= 0x80 && point <= 0x9f) || (point >= 0x200b && point <= 0x200f) ||
         (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

/// Length of the escape sequence at the start of `text` (which is ESC): ECMA-48 CSI, or a string such as OSC
/// up to BEL or ST, or ESC with one more byte.
std::size_t escape_length(std::string_view text) {
  if (text.size() < 2) return 1;
  if (text[1] == '[') {
    const auto* end = std::ranges::find_if(text.substr(2), [](char c) { return c >= 0x40 && c <= 0x7e; });
    return std::min<std::size_t>(text.size(), static_cast<std::size_t>(end - text.data()) + 1);
  }
  if (std::string_view{"]PX^_"}.find(text[1]) != std::string_view::npos) {
    const auto end = text.find_first_of("\x07\x1b", 2);
    if (end == std::string_view::npos) return text.size();
    return end + (text[end] == escape ? 2 : 1);
  }
  return static_cast<unsigned char>(text[1]) < 0x80 ? 2 : 1;
}

}  // namespace

std::string clean(std::string_view text, Newlines newlines) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    std::size_t taken = 1;
    if (is_harmless(first) || (first == '\n' && newlines == Newlines::keep)) {
      result += text[0];
    } else if (text[0] == escape) {
      taken = escape_length(text);
    } else if (first < 0x80) {
      result += ' ';
    } else if (const auto point = decode(text, sequence_length(first)); point == 0) {
      result += '?';
    } else {
      taken = sequence_length(first);
      result += is_control(point) ? std::string_view{" "} : text.substr(0, taken);
    }
    text.remove_prefix(std::min(taken, text.size()));
  }
  return result;
}

}  // namespace gpuctl::cli
