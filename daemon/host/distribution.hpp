// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "os/root_dir.hpp"

namespace gpuctl {

enum class PackageTool { apt, dnf, rpm_ostree, pacman, zypper, nix, other };

/// What a GPU in a VM needs, or is easier with; each distribution has its own package names.
enum class Software {
  qemu,
  libvirt,
  ovmf,
  swtpm,
  virt_manager,
  virt_viewer,
  dnsmasq,
  bridge_tools,
  kvm_kernel
};

/// The distribution of this host, from os-release(5).
struct Distribution {
  std::string id;    ///< "debian", "pop", "bazzite"; "linux" if unknown
  std::string name;  ///< "Debian GNU/Linux 12 (bookworm)"
  PackageTool packages{PackageTool::other};

  /// What to type to get it, e.g. "sudo apt install ovmf".
  std::string install(Software software) const { return install(std::vector{software}); }
  /// All of them at once: where packages come with a reboot, one for each would be a long evening.
  std::string install(const std::vector<Software>& wanted) const;

 private:
  std::string package_of(Software software) const;
};

Distribution read_distribution(const RootDir& root);

/// Value of KEY=value in a file of shell assignments (os-release, /etc/default/*); "" if absent.
std::string shell_value(std::string_view text, std::string_view key);

}  // namespace gpuctl
