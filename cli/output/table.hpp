// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/console.hpp"

namespace gpuctl::cli {

struct Cell {
  std::string text;  ///< empty is shown as "-"
  Colour colour{Colour::none};
};

/// Rows under a header: aligned columns on a terminal, tab-separated records elsewhere.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  std::string text(const Console& console) const;

 private:
  std::vector<std::size_t> widths(std::size_t limit) const;
  std::string line(const std::vector<Cell>& row, const std::vector<std::size_t>& widths,
                   const Console& console) const;

  std::vector<std::string> header_;
  std::vector<std::vector<Cell>> rows_;
};

/// Columns that `text` (UTF-8) takes on a terminal, counting each code point as one.
std::size_t display_width(std::string_view text);
/// At most `width` columns of `text`, the last one an ellipsis if something had to go.
std::string cut(std::string_view text, std::size_t width);
/// The fields with tabs between and a line end: one record of plain output; an empty field is "-".
std::string record(const std::vector<std::string>& fields);
/// "1 GPU", "2 GPUs".
std::string counted(std::size_t count, std::string_view noun);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace gpuctl::cli
