// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output/problems.hpp"

#include <algorithm>

#include "cli/output/table.hpp"

namespace gpuctl::cli {
namespace {

std::string for_people(const Console& console, const Problem& problem) {
  std::string text = console.paint(severity_colour(problem.severity), problem.severity) + ": ";
  text += problem.message + " " + console.paint(Colour::dim, "[" + problem.id + "]") + "\n";
  if (!problem.remedy.empty()) text += "    " + problem.remedy + "\n";
  return text;
}

}  // namespace

std::string problems_text(const Console& console, const std::vector<Problem>& problems) {
  std::string text;
  for (const auto& p : problems) {
    text += console.terminal() ? for_people(console, p)
                               : record({p.severity, p.id, p.subject, p.message, p.remedy});
  }
  return text;
}

bool any_blocks(const std::vector<Problem>& problems) {
  return std::ranges::any_of(problems, &Problem::blocks);
}

}  // namespace gpuctl::cli
