// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"

namespace gpuctl::cli {

Exit check(Context& context, const CheckArguments& arguments) {
  const auto vm = domain_name(context, arguments.vm);
  const auto problems = context.client().check(arguments.gpu, vm, arguments.options);
  return show_findings(context, problems, "nothing stands in the way: attach would work");
}

}  // namespace gpuctl::cli
