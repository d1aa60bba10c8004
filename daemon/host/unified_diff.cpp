// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "host/file_edit.hpp"

namespace gpuctl {
namespace {

constexpr std::size_t context = 3;

/// Lines with their newline, so that a missing one at the end shows.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> all;
  while (!text.empty()) {
    const auto length = std::min(text.find('\n'), text.size() - 1) + 1;
    all.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return all;
}

struct Entry {
  char mark;  ///< ' ', '-', '+'
  std::string_view line;
};

/// Longest common subsequence by the table; files edited here have some hundred lines at most.
std::vector<Entry> compare(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  const auto width = b.size() + 1;
  std::vector<std::uint32_t> common((a.size() + 1) * width);
  for (auto i = a.size(); i-- > 0;)
    for (auto j = b.size(); j-- > 0;)
      common[i * width + j] = a[i] == b[j] ? common[(i + 1) * width + j + 1] + 1
                                           : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
  std::vector<Entry> script;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      script.push_back({' ', a[i++]});
      ++j;
    } else if (i < a.size() && (j == b.size() || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      script.push_back({'-', a[i++]});
    } else {
      script.push_back({'+', b[j++]});
    }
  }
  return script;
}

/// One past the last entry of the hunk that begins with the change at `first`: changes less than two contexts
/// apart join.
std::size_t hunk_end(const std::vector<Entry>& script, std::size_t first) {
  auto end = first;
  for (auto i = first; i < script.size() && i <= end + 2 * context + 1; ++i)
    if (script[i].mark != ' ') end = i;
  return std::min(end + context + 1, script.size());
}

std::string range(std::size_t start, std::size_t count) {
  if (count == 0) return fmt::format("{},0", start);
  return count == 1 ? fmt::format("{}", start + 1) : fmt::format("{},{}", start + 1, count);
}

std::size_t count_of(const std::vector<Entry>& script, std::size_t from, std::size_t to, char but) {
  return static_cast<std::size_t>(std::count_if(script.begin() + static_cast<std::ptrdiff_t>(from),
                                                script.begin() + static_cast<std::ptrdiff_t>(to),
                                                [but](const auto& e) { return e.mark != but; }));
}

std::string hunks(const std::vector<Entry>& script) {
  std::string text;
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (script[i].mark == ' ') continue;
    const auto begin = i < context ? 0 : i - context;
    const auto end = hunk_end(script, i);
    text += fmt::format("@@ -{} +{} @@\n",
                        range(count_of(script, 0, begin, '+'), count_of(script, begin, end, '+')),
                        range(count_of(script, 0, begin, '-'), count_of(script, begin, end, '-')));
    for (auto k = begin; k < end; ++k) {
      text += fmt::format("{}{}", script[k].mark, script[k].line);
      if (!script[k].line.ends_with('\n')) text += "\n\\ No newline at end of file\n";
    }
    i = end - 1;
  }
  return text;
}

}  // namespace

std::string unified_diff(const FileEdits& edits) {
  std::string text;
  for (const auto& edit : edits) {
    if (edit.before == edit.after) continue;
    text += fmt::format("--- {}\n+++ {}\n", edit.before ? "/" + edit.path : "/dev/null",
                        edit.after ? "/" + edit.path : "/dev/null");
    const auto before = edit.before.value_or("");
    const auto after = edit.after.value_or("");
    text += hunks(compare(lines_of(before), lines_of(after)));
  }
  return text;
}

}  // namespace gpuctl
