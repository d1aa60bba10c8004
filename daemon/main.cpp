// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdlib>
#include <exception>

#include <CLI/CLI.hpp>

#include "daemon.hpp"
#include "inventory/module_aliases.hpp"
#include "os/log.hpp"
#include "os/systemd_control.hpp"
#include "vm/load_hypervisor.hpp"

namespace {

using namespace gpuctl;

/// First of a colon-separated list that systemd sets (RuntimeDirectory=), else the default.
std::string directory(const char* variable, const char* fallback) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return fallback;
  const std::string_view list{value};
  return std::string{list.substr(0, list.find(':'))};
}

struct Arguments {
  std::string root{"/"};
  std::string modules_dir;
  std::string runtime_dir{directory("RUNTIME_DIRECTORY", "/run/gpuctl")};
  std::string state_dir{directory("STATE_DIRECTORY", "/var/lib/gpuctl")};
  std::string libvirt_uri;
  std::string libvirt_module;
  std::string config_root{"/"};
  bool check_config{};
};

void declare(CLI::App& app, Arguments& arguments) {
  app.set_version_flag("--version", GPUCTL_VERSION);
  app.add_option("--root", arguments.root, "Directory with sys and proc, for tests");
  app.add_option("--modules-dir", arguments.modules_dir,
                 "Directory of modules.alias, /lib/modules/RELEASE by default");
  app.add_option("--runtime-dir", arguments.runtime_dir, "Journals and records until reboot");
  app.add_option("--state-dir", arguments.state_dir, "What outlives a reboot");
  app.add_option("--libvirt-uri", arguments.libvirt_uri, "libvirt connection, instead of the configured one");
  app.add_flag("--check-config", arguments.check_config,
               "Read the configuration, report what is wrong, and end");
  app.add_option("--config-root", arguments.config_root, "Directory with etc/gpuctl");
  app.add_option("--libvirt-module", arguments.libvirt_module, "Path of gpuctl-libvirt.so");
}

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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "gpuctld moves GPUs between the host's drivers and virtual machines. It serves org.gpuctl1 on the "
      "system bus; people use gpuctl."};
  Arguments arguments;
  declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;  // --help and --version end this way too
  }
  return run(arguments, argv[0]);
}
