// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string_view>

namespace gpuctl::cli {

/// What the program ends with; part of the contract with scripts.
enum class Exit : int {
  done = 0,
  failed = 1,   ///< the operation failed and was rolled back
  usage = 2,    ///< wrong arguments
  refused = 3,  ///< problems stand in the way
  not_authorized = 4,
  not_found = 5,    ///< no such GPU, VM or operation
  unreachable = 6,  ///< the daemon cannot be reached
};

struct Explanation {
  Exit status;
  std::string_view remedy;  ///< what to do next; empty where the sentence says it all
};

/// Exit status and remedy of an error by its name on the bus ("org.gpuctl1.Error.Busy").
Explanation explain(std::string_view error_name);
/// "Busy" of "org.gpuctl1.Error.Busy"; other names stay whole.
std::string_view short_name(std::string_view error_name);

}  // namespace gpuctl::cli
