// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <string>

#include "cli/context.hpp"
#include "cli/error_text.hpp"

namespace gpuctl::cli {

/// Shows a change (a unified diff; "" = none) before a password is asked for, and unless `dry_run` makes it.
/// `make` gives a sentence on what holds now.
Exit show_and_make_change(Context& context, const std::string& diff, bool dry_run,
                          const std::function<std::string(Interaction)>& make);

/// Makes a change that there is no diff of.
Exit make_change(Context& context, const std::function<std::string(Interaction)>& make);

}  // namespace gpuctl::cli
