// SPDX-License-Identifier: GPL-2.0-or-later
// What attach and release have in common.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "cli/error_text.hpp"

namespace gpuctl::cli {

/// "vm" as in `gpuctl attach vm` means the VM side, unless a domain has that very name. Gives the name for
/// the bus.
std::string domain_name(Context& context, const std::string& word);

/// Starts an operation with `start` and, if `wait`, follows it to its end.
Exit run_operation(Context& context, bool wait, const std::function<std::string(Interaction)>& start);

/// Prints the steps and the problems; refused if one of these stands in the way.
Exit show_plan(Context& context, const std::vector<Step>& steps, const std::vector<Problem>& problems);

/// Prints findings, or `all_well` for people if nothing stands in the way; refused if something does.
Exit show_findings(Context& context, const std::vector<Problem>& findings, const std::string& all_well);

/// Prints all that stands in the way of what was refused with `failure`.
Exit show_refusal(Context& context, const Failure& failure, const std::vector<Problem>& problems);

}  // namespace gpuctl::cli
