// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/commands.hpp"

namespace gpuctl::cli {
namespace {

std::string gpu_words(Client& client) {
  std::string text;
  for (const auto& gpu : client.objects().gpus) text += gpu.address + "\t" + gpu.name + "\n";
  return text;
}

std::string vm_words(Client& client) {
  std::string text;
  for (const auto& vm : client.vms()) text += vm.name + "\t" + vm.state + "\n";
  return text;
}

std::string operation_words(Client& client) {
  std::string text;
  for (const auto& o : client.objects().operations) {
    if (o.running()) text += o.number() + "\t" + o.kind + "\n";
  }
  return text;
}

}  // namespace

Exit complete(Context& context, const std::string& kind) {
  try {
    auto& client = context.client();
    if (kind == "gpus") context.console.print(gpu_words(client));
    if (kind == "vms") context.console.print(vm_words(client));
    if (kind == "operations") context.console.print(operation_words(client));
  } catch (const Failure&) {
    // a shell that completes a word is no place for an error
  }
  return Exit::done;
}

}  // namespace gpuctl::cli
