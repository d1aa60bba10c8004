// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "host/kernel_args.hpp"
#include "system_tools.hpp"

namespace gpuctl::test {

/// A laptop whose VT-d is on in firmware while the kernel waits for the argument.
struct ArgumentsHost {
  CapturedMachine captured;
  RootDir root;
  ApplyingSystemd systemd{root};
  KernelArguments arguments{root, systemd, systemd.paths()};

  explicit ArgumentsHost(const std::string& part)
      : captured(machine_part(part)), root(captured.machine.root()) {
    captured.machine.file("sys/firmware/acpi/tables/DMAR", "DMAR");
  }
  FakeMachine& machine() { return captured.machine; }
};

/// What the loader tells by a variable of the firmware.
inline void make_loader(FakeMachine& machine, const std::string& name) {
  std::string info("\x06\0\0\0", 4);
  for (const char c : name) info += std::string{c, '\0'};
  machine.file("sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", info);
}

inline void make_systemd_boot(FakeMachine& machine) { make_loader(machine, "systemd-boot 257.9"); }

inline const std::string entries = "boot/efi/loader/entries/";
inline const std::string token = "5fd1c2a4b7e94b6c9c1f0d5a2f8e7d3b";
inline const std::string kernel = "6.12.41+deb13-amd64";

/// With its entry, as kernel-install makes it.
inline void with_kernel(FakeMachine& machine, const std::string& version) {
  machine.file("boot/vmlinuz-" + version, "")
      .file("boot/initrd.img-" + version, "")
      .file("usr/lib/modules/" + version + "/modules.dep", "")
      .file(entries + token + "-" + version + ".conf",
            "title Debian\nversion " + version + "\noptions root=UUID=x ro quiet\nlinux /vmlinuz\n");
}

/// systemd-boot whose entries kernel-install makes.
inline void with_kernel_install(FakeMachine& machine) {
  make_systemd_boot(machine);
  machine.file("etc/machine-id", token + "\n").file("usr/bin/kernel-install", "");
  with_kernel(machine, kernel);
}

inline bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

}  // namespace gpuctl::test
