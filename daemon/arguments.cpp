// SPDX-License-Identifier: GPL-2.0-or-later
#include "arguments.hpp"

#include <getopt.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace gpuctl {
namespace {

constexpr auto about =
    "gpuctld moves GPUs between the host's drivers and virtual machines. It serves org.gpuctl1 on the "
    "system\n"
    "bus; people use gpuctl.\n";

struct Known {
  const char* name;
  std::string Arguments::*text;  ///< null: it takes no value
  const char* help;
};

constexpr std::array known{
    Known{"help", nullptr, "Print this and end"},
    Known{"version", nullptr, "Print the version and end"},
    Known{"check-config", nullptr, "Read the configuration, report what is wrong, and end"},
    Known{"config-root", &Arguments::config_root, "Directory with etc/gpuctl"},
    Known{"root", &Arguments::root, "Directory with sys and proc, for tests"},
    Known{"modules-dir", &Arguments::modules_dir,
          "Directory of modules.alias, /lib/modules/RELEASE by default"},
    Known{"runtime-dir", &Arguments::runtime_dir, "Journals and records until reboot"},
    Known{"state-dir", &Arguments::state_dir, "What outlives a reboot"},
    Known{"libvirt-uri", &Arguments::libvirt_uri, "libvirt connection, instead of the configured one"},
    Known{"libvirt-module", &Arguments::libvirt_module, "Path of gpuctl-libvirt.so"}};

/// First of a colon-separated list that systemd sets (RuntimeDirectory=), else the default.
std::string directory(const char* variable, const char* fallback) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return fallback;
  const std::string_view list{value};
  return std::string{list.substr(0, list.find(':'))};
}

/// As getopt_long(3) wants them, with the end's mark.
std::array<option, known.size() + 1> options() {
  std::array<option, known.size() + 1> all{};
  for (std::size_t i = 0; i < known.size(); ++i)
    all[i] = {known[i].name, known[i].text == nullptr ? no_argument : required_argument, nullptr, 0};
  return all;
}

void print_help() {
  std::fputs(about, stdout);
  std::fputs("\nOptions:\n", stdout);
  for (const auto& one : known)
    std::printf("  --%-22s %s\n", (std::string{one.name} + (one.text == nullptr ? "" : " TEXT")).c_str(),
                one.help);
}

}  // namespace

std::optional<Arguments> parse_arguments(int argc, char** argv, int& status) {
  Arguments arguments;
  arguments.runtime_dir = directory("RUNTIME_DIRECTORY", "/run/gpuctl");
  arguments.state_dir = directory("STATE_DIRECTORY", "/var/lib/gpuctl");
  const auto all = options();
  int index = 0;
  for (int found = 0; (found = ::getopt_long(argc, argv, "h", all.data(), &index)) != -1;) {
    status = found == 0 || found == 'h' ? 0 : 2;
    if (status != 0) return std::nullopt;
    const auto& one = known[found == 'h' ? 0 : static_cast<std::size_t>(index)];
    const std::string_view name{one.name};
    if (name == "help") return print_help(), std::nullopt;
    if (name == "version") return std::puts(GPUCTL_VERSION), std::nullopt;
    if (one.text == nullptr)
      arguments.check_config = true;
    else
      arguments.*one.text = ::optarg;
  }
  status = 2;
  if (::optind == argc) return arguments;
  std::fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[::optind]);
  return std::nullopt;
}

}  // namespace gpuctl
