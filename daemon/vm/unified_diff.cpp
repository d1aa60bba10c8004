// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/unified_diff.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace gpuctl {
namespace {

using Lines = std::vector<std::string_view>;
constexpr std::size_t context = 3;
constexpr std::size_t table_limit = 4'000'000;  // cells: 4000 by 1000 lines that differ

struct Edit {
  char kind;  // ' ', '-', '+'
  std::string_view line;
};

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void append(std::vector<Edit>& edits, char kind, const Lines& lines, std::size_t from, std::size_t to) {
  for (auto i = from; i < to; ++i) edits.push_back({kind, lines.at(i)});
}

/// Longest common subsequence of a[from, a_end) and b[from, b_end).
void append_changes(std::vector<Edit>& edits, const Lines& a, const Lines& b, std::size_t from,
                    std::size_t a_end, std::size_t b_end) {
  const auto rows = a_end - from, columns = b_end - from;
  if (rows * columns > table_limit) {
    append(edits, '-', a, from, a_end);
    append(edits, '+', b, from, b_end);
    return;
  }
  std::vector<unsigned> longest((rows + 1) * (columns + 1));
  const auto at = [&](std::size_t i, std::size_t j) -> unsigned& {
    return longest.at(i * (columns + 1) + j);
  };
  for (auto i = rows; i-- > 0;)
    for (auto j = columns; j-- > 0;)
      at(i, j) =
          a.at(from + i) == b.at(from + j) ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
  std::size_t i = 0, j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && a.at(from + i) == b.at(from + j)) {
      edits.push_back({' ', a.at(from + i++)});
      ++j;
    } else if (i < rows && (j == columns || at(i + 1, j) >= at(i, j + 1))) {
      edits.push_back({'-', a.at(from + i++)});
    } else {
      edits.push_back({'+', b.at(from + j++)});
    }
  }
}

std::vector<Edit> edits_between(const Lines& a, const Lines& b) {
  const auto shorter = std::min(a.size(), b.size());
  std::size_t head = 0, tail = 0;
  while (head < shorter && a.at(head) == b.at(head)) ++head;
  while (tail < shorter - head && a.at(a.size() - 1 - tail) == b.at(b.size() - 1 - tail)) ++tail;
  std::vector<Edit> edits;
  append(edits, ' ', a, 0, head);
  append_changes(edits, a, b, head, a.size() - tail, b.size() - tail);
  append(edits, ' ', a, a.size() - tail, a.size());
  return edits;
}

/// [from, to) of `edits` with the line numbers its first line has on either side.
std::string hunk(const std::vector<Edit>& edits, std::size_t from, std::size_t to) {
  std::size_t before = 0, after = 0, old_lines = 0, new_lines = 0;
  std::string body;
  for (std::size_t i = 0; i < to; ++i) {
    const auto& [kind, line] = edits.at(i);
    (i < from ? before : old_lines) += kind != '+';
    (i < from ? after : new_lines) += kind != '-';
    if (i >= from) body += fmt::format("{}{}\n", kind, line);
  }
  return fmt::format("@@ -{},{} +{},{} @@\n{}", before + (old_lines > 0), old_lines, after + (new_lines > 0),
                     new_lines, body);
}

}  // namespace

std::string unified_diff(const std::string& before, const std::string& after, const std::string& name) {
  if (before == after) return {};
  const auto a = lines_of(before), b = lines_of(after);
  const auto edits = edits_between(a, b);
  if (std::ranges::all_of(edits, [](const Edit& edit) { return edit.kind == ' '; })) return {};
  auto text = fmt::format("--- {0} (now)\n+++ {0} (changed)\n", name);
  for (std::size_t i = 0; i < edits.size();) {
    if (edits.at(i).kind == ' ') {
      ++i;
      continue;
    }
    const auto from = i - std::min(i, context);
    auto last = i;  // last change of the hunk
    for (auto j = i; j < edits.size() && j - last <= 2 * context; ++j)
      if (edits.at(j).kind != ' ') last = j;
    const auto to = std::min(last + 1 + context, edits.size());
    text += hunk(edits, from, to);
    i = to;
  }
  return text;
}

}  // namespace gpuctl
