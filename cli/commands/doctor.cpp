// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "cli/commands/commands.hpp"
#include "cli/output/json.hpp"
#include "cli/output/problems.hpp"

namespace gpuctl::cli {
namespace {

/// What decides: gpuctld's own summary. One of eight GPUs may be dead, and the machine is ready with the
/// others.
const Problem* obstacle(const std::vector<Problem>& findings) {
  const auto summary = std::ranges::find(findings, "ready", &Problem::id);
  if (summary != findings.end()) return summary->blocks() ? &*summary : nullptr;
  const auto first = std::ranges::find_if(findings, &Problem::blocks);
  return first == findings.end() ? nullptr : &*first;
}

/// The last line: "ready", or the first thing to do.
std::string conclusion(const Problem* first) {
  if (first == nullptr) return "ready";
  return first->remedy.empty() ? first->message : first->remedy;
}

}  // namespace

Exit doctor(Context& context, const std::string& report_file) {
  const auto findings = context.client().diagnose();
  const auto& console = context.console;
  const auto write_report = [&] {
    if (!report_file.empty()) context.surroundings().write_file(report_file, context.client().report());
  };
  if (console.json()) write_report();  // one document: the findings, or the error
  const auto* in_the_way = obstacle(findings);
  const bool ready = in_the_way == nullptr;
  const auto last = conclusion(in_the_way);
  if (console.json()) {
    print_json(console,
               {{"ready", ready}, {"next", json_text(ready ? "" : last)}, {"findings", json_list(findings)}});
  } else {
    console.print(problems_text(console, findings));
    console.print(console.paint(ready ? Colour::green : Colour::red, last) + "\n");
    write_report();
  }
  return ready ? Exit::done : Exit::refused;
}

}  // namespace gpuctl::cli
