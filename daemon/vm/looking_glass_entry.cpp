// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/looking_glass_entry.hpp"

#include <sstream>
#include <utility>

#include "vm/config_text.hpp"
#include "vm/looking_glass.hpp"

namespace gpuctl {
namespace {

/// tmpfiles.d(5): "f" and "F" make a file, with modifiers behind the letter.
bool is_entry(const std::string& line) {
  std::istringstream in{line};
  std::string type, path;
  in >> type >> path;
  return (type.starts_with('f') || type.starts_with('F')) && path == looking_glass_file;
}

}  // namespace

std::string looking_glass_entry(const std::string& text) {
  for (const auto& line : fields(text, '\n'))
    if (is_entry(line)) return line;
  return {};
}

std::string with_looking_glass_entry(const std::string& text, unsigned uid) {
  bool written = false;
  std::string result;
  if (uid == 0 && !looking_glass_entry(text).empty()) return text;
  for (const auto& line : fields(text, '\n')) {
    if (!is_entry(line))
      result += line + "\n";
    else if (!std::exchange(written, true))
      result += looking_glass_tmpfiles(uid);
  }
  return written ? result : result + looking_glass_tmpfiles(uid);
}

}  // namespace gpuctl
