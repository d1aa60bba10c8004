// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"

namespace gpuctl::cli {

Exit release(Context& context, const ReleaseArguments& arguments) {
  const Move move{"release", arguments.gpu, "", arguments.options};
  return arguments.dry_run ? show_move(context, move) : run_move(context, move, arguments.wait);
}

}  // namespace gpuctl::cli
