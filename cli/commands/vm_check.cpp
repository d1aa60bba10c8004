// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"
#include "cli/commands/requests.hpp"

namespace gpuctl::cli {

Exit vm_check(Context& context, const std::string& vm, const std::string& gpu) {
  return show_findings(context, context.client().check_vm(vm, gpu), "the VM is fit for a GPU");
}

Exit looking_glass_check(Context& context, const std::string& vm) {
  return show_findings(context, context.client().check_looking_glass(vm), "Looking Glass is ready");
}

}  // namespace gpuctl::cli
