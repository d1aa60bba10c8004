// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/text.hpp"

#include <algorithm>

namespace gpuctl {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  const auto first = text.find_first_not_of(white);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white) - first + 1);
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  constexpr std::string_view white = " \t\r\n";
  for (std::size_t at = text.find_first_not_of(white); at != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(white, at), text.size());
    found.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(white, end);
  }
  return found;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  for (std::size_t end = text.find(separator); end != std::string_view::npos;
       end = text.find(separator, at)) {
    parts.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  parts.emplace_back(text.substr(at));
  return parts;
}

std::vector<std::string> lines(std::string_view text) {
  if (text.empty()) return {};
  if (text.ends_with('\n')) text.remove_suffix(1);
  return split(text, '\n');
}

bool has_word(std::string_view text, std::string_view word) {
  const auto found = words(text);
  return std::ranges::find(found, word) != found.end();
}

std::string with_underscores(std::string_view name) {
  std::string result(name);
  std::ranges::replace(result, '-', '_');
  return result;
}

}  // namespace gpuctl
