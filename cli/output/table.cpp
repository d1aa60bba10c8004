// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output/table.hpp"

#include <algorithm>
#include <numeric>

namespace gpuctl::cli {
namespace {

constexpr std::size_t gap = 2;

bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

std::string shown(const std::string& text) { return text.empty() ? "-" : text; }

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, starts_code_point));
}

std::string cut(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string{text};
  std::size_t points = 0, end = 0;
  while (end < text.size() && (points += starts_code_point(text[end])) < width) ++end;
  return std::string{text.substr(0, end)} + "…";
}

std::string record(const std::vector<std::string>& fields) {
  std::string line;
  for (const auto& field : fields) line.append(line.empty() ? "" : "\t") += shown(field);
  return line + "\n";
}

std::string counted(std::size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string{noun} + (count == 1 ? "" : "s");
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const auto& part : parts) text.append(text.empty() ? "" : separator) += part;
  return text;
}

std::vector<std::size_t> Table::widths(std::size_t limit) const {
  std::vector<std::size_t> result;
  for (std::size_t column = 0; column < header_.size(); ++column) {
    auto width = display_width(header_[column]);
    for (const auto& row : rows_) width = std::max(width, display_width(shown(row[column].text)));
    result.push_back(width);
  }
  const auto total = std::accumulate(result.begin(), result.end(), gap * (result.size() - 1));
  if (limit == 0) return result;
  for (auto over = total - std::min(total, limit); over > 0; --over) {
    const auto widest = std::ranges::max_element(result);
    if (*widest > 1) --*widest;
  }
  return result;
}

std::string Table::line(const std::vector<Cell>& row, const std::vector<std::size_t>& widths,
                        const Console& console) const {
  std::string text;
  for (std::size_t column = 0; column < row.size(); ++column) {
    const auto content = cut(shown(row[column].text), widths[column]);
    text += console.paint(row[column].colour, content);
    const bool last = column + 1 == row.size();
    if (!last) text.append(widths[column] - display_width(content) + gap, ' ');
  }
  return text + "\n";
}

std::string Table::text(const Console& console) const {
  std::string result;
  if (!console.terminal()) {
    for (const auto& row : rows_) {
      std::vector<std::string> fields;
      for (const auto& cell : row) fields.push_back(cell.text);
      result += record(fields);
    }
    return result;
  }
  const auto columns = widths(console.width());
  std::vector<Cell> header;
  for (const auto& title : header_) header.push_back({title, Colour::bold});
  result += line(header, columns, console);
  for (const auto& row : rows_) result += line(row, columns, console);
  return result;
}

}  // namespace gpuctl::cli
