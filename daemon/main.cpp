// SPDX-License-Identifier: GPL-2.0-or-later
#include <malloc.h>

#include <exception>

#include "arguments.hpp"
#include "daemon.hpp"
#include "inventory/module_aliases.hpp"
#include "os/log.hpp"
#include "os/systemd_control.hpp"
#include "vm/load_hypervisor.hpp"

namespace {

using namespace gpuctl;

Platform production_platform(const Arguments& arguments, const Config& config) {
  Platform platform;
  platform.config = config;
  const auto uri = arguments.libvirt_uri.empty() ? config.vm.libvirt_uri : arguments.libvirt_uri;
  platform.root = arguments.root;
  platform.modules_dir =
      arguments.modules_dir.empty() ? module_directory() : std::filesystem::path{arguments.modules_dir};
  platform.runtime_dir = arguments.runtime_dir;
  platform.state_dir = arguments.state_dir;
  platform.pci_control = [](const RootDir& root) { return std::make_unique<SysfsPciControl>(root); };
  platform.systemd_control = [](auto deadline) { return std::make_unique<DbusSystemdControl>(deadline); };
  platform.hypervisor = [uri, module = arguments.libvirt_module] { return load_hypervisor({uri, module}); };
  return platform;
}

LogPriority log_priority(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return LogPriority::error;
    case LogLevel::warning:
      return LogPriority::warning;
    case LogLevel::info:
      return LogPriority::info;
    case LogLevel::debug:
      return LogPriority::debug;
  }
  return LogPriority::info;
}

int run(const Arguments& arguments, char* program) try {
  const auto loaded = load_config(RootDir(arguments.config_root));
  if (arguments.check_config) return report(loaded, stderr);
  set_log_priority(log_priority(loaded.config.log.level));
  for (const auto& problem : loaded.problems) log(events::config_wrong, problem.str());
  return Daemon({production_platform(arguments, loaded.config), program}).run();
} catch (const std::exception& e) {
  log(events::error, e.what());
  return 1;
}

/// What is large and lives for one reply or one read goes back to the system with it. Without a fixed
/// threshold glibc learns from the first large block to keep them all.
void keep_no_large_blocks() { ::mallopt(M_MMAP_THRESHOLD, 64 * 1024); }

}  // namespace

int main(int argc, char** argv) {
  keep_no_large_blocks();
  int status = 0;
  const auto arguments = parse_arguments(argc, argv, status);
  return arguments ? run(*arguments, argv[0]) : status;
}
