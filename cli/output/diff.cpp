// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output/diff.hpp"

#include <algorithm>

namespace gpuctl::cli {
namespace {

Colour line_colour(std::string_view line) {
  if (line.starts_with("+++") || line.starts_with("---")) return Colour::bold;
  if (line.starts_with("@@")) return Colour::dim;
  if (line.starts_with('+')) return Colour::green;
  return line.starts_with('-') ? Colour::red : Colour::none;
}

}  // namespace

std::string diff_text(const Console& console, std::string_view diff) {
  std::string text;
  while (!diff.empty()) {
    const auto line = diff.substr(0, diff.find('\n'));
    text += console.paint(line_colour(line), line) + "\n";
    diff.remove_prefix(std::min(diff.size(), line.size() + 1));
  }
  return text;
}

}  // namespace gpuctl::cli
