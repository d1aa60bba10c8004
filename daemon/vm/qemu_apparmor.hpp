// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "os/root_dir.hpp"

namespace gpuctl {

/// AppArmor's rules for every QEMU that libvirt starts (abstractions/libvirt-qemu), as far as they are about
/// files that a definition names and libvirt adds no rule for: option ROMs, devices of <qemu:commandline>.
struct QemuAppArmor {
  bool confines{};                 ///< AppArmor runs, and libvirt uses it
  std::vector<std::string> rules;  ///< those with a path: "/usr/share/qemu/** r,"
  std::string place;               ///< where further ones go

  /// Whether every QEMU may open it so; `access` is a letter of the rule: 'r', 'w'.
  bool allows(const std::string& path, char access) const;
};

QemuAppArmor read_qemu_apparmor(const RootDir& root);

}  // namespace gpuctl
