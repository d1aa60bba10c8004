// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <string>

#include "cli/commands/commands.hpp"

namespace CLI {
class App;
}

namespace gpuctl::cli {

/// What the command line asks for. `command` is bound to the arguments of the verb that was given.
struct Request {
  bool json{}, no_color{}, live{}, config{}, all{}, no_wait{}, undo{}, raw{}, migrate{};
  std::string host, gpu, vm, word, file;
  unsigned number{};
  VmSetup setup;
  KernelArgumentsWish wish;
  RequestOptions options;
  bool dry_run{}, view{};
  std::function<Exit(Context&)> command;
};

/// Adds every command with its arguments; parsing fills `request`, which must outlive `app`.
void add_verbs(CLI::App& app, Request& request);

}  // namespace gpuctl::cli
