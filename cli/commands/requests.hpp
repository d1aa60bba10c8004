// SPDX-License-Identifier: GPL-2.0-or-later
// What attach and release have in common.
#pragma once
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "cli/error_text.hpp"

namespace gpuctl::cli {

/// "vm" as in `gpuctl attach vm` means the VM side, unless a domain has that very name. Gives the name for
/// the bus.
std::string domain_name(Context& context, const std::string& word);

/// One attach or release.
struct Move {
  std::string verb, gpu, vm;
  RequestOptions options;
};

/// Starts it and, if `wait`, follows it to its end. Where it is refused, all that stands in the way is
/// printed.
Exit run_move(Context& context, const Move& move, bool wait);

/// Prints its steps and the problems; refused if one of these stands in the way.
Exit show_move(Context& context, const Move& move);

/// Prints findings, or `all_well` for people if nothing stands in the way; refused if something does.
Exit show_findings(Context& context, const std::vector<Problem>& findings, const std::string& all_well);

}  // namespace gpuctl::cli
