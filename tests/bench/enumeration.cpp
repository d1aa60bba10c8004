// SPDX-License-Identifier: GPL-2.0-or-later
// How long the daemon's own full enumeration of /sys takes, as its start does it: the first of a fresh
// process, with names, modules and the host's state.
//   enumeration [sys-only]    milliseconds; sys-only: nothing but /sys/bus/pci and the groups
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <string_view>

#include "inventory/module_aliases.hpp"
#include "machine_lookups.hpp"

namespace {

gpuctl::Snapshot enumerate(bool sys_only) {
  const gpuctl::RootDir root{"/"};
  return gpuctl::scan(root,
                      sys_only ? gpuctl::Lookups{} : gpuctl::machine_lookups(gpuctl::module_directory()));
}

}  // namespace

int main(int argc, char** argv) {
  ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);  // as the daemon has it
  const auto begin = std::chrono::steady_clock::now();
  const auto snapshot = enumerate(argc > 1 && argv[1] == std::string_view{"sys-only"});
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  std::printf("%f\n", took.count());
  return snapshot.functions.empty() ? 1 : 0;
}
