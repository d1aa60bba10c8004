// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "support/fake_machine.hpp"

namespace gpuctl::test {

/// A machine from a file, unpacked into a directory that gpuctl reads like the machine itself.
struct CapturedMachine {
  FakeMachine machine;
  uid_t uid{1000};
  std::optional<std::vector<gid_t>> groups;

  /// `*.json`: what `gpuctl doctor --report` wrote. Else a hand-written list, one statement a line; `#`
  /// begins a comment:
  ///   include FILE                        another list, beside this one
  ///   pci ADDRESS V:D SV:SD CLASS key=value...   driver= group= reset=flr,bus power= runtime= control=
  ///   boot_vga=0|1 rom=yes link-devices CONSUMER SUPPLIER      a kernel device link drm ADDRESS CARD RENDER
  ///   /  connector ADDRESS CARD NAME connected|disconnected enabled|disabled attribute ADDRESS NAME = TEXT
  ///   an attribute of a function driver NAME [MODULE]  /  module NAME  /  iommu KIND  /  mux 0|1 file PATH =
  ///   TEXT                    TEXT may have \n and \xHH; without "= TEXT" the indented lines below are it
  ///   link PATH -> TARGET  /  absent PATH
  ///   caller UID GID...
  explicit CapturedMachine(const std::filesystem::path& file);
};

}  // namespace gpuctl::test
