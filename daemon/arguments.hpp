// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>

namespace gpuctl {

/// What gpuctld is started with. Directories come from systemd where it sets them (RuntimeDirectory=).
struct Arguments {
  std::string root{"/"};
  std::string modules_dir;
  std::string runtime_dir, state_dir;
  std::string libvirt_uri;
  std::string libvirt_module;
  std::string config_root{"/"};
  bool check_config{};
};

/// Nothing if the program is done: then `status` is its exit status.
std::optional<Arguments> parse_arguments(int argc, char** argv, int& status);

}  // namespace gpuctl
