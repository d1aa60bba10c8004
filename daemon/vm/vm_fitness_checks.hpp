// SPDX-License-Identifier: GPL-2.0-or-later
// Parts of vm_fitness.cpp.
#pragma once
#include "vm/vm_fitness.hpp"

namespace gpuctl::fitness {

/// Everything a check looks at, and where it puts what it finds.
struct Subject {
  const Vm& vm;
  const DomainFacts& facts;
  const VmHost& host;
  const Snapshot& snapshot;
  std::vector<Gpu> gpus;
  Problems& found;

  void blocker(const char* id, const std::string& message, const std::string& remedy) const {
    found.push_back({id, Severity::blocker, vm.name, message, remedy});
  }
  void warning(const char* id, const std::string& message, const std::string& remedy) const {
    found.push_back({id, Severity::warning, vm.name, message, remedy});
  }
  void info(const char* id, const std::string& message, const std::string& remedy) const {
    found.push_back({id, Severity::info, vm.name, message, remedy});
  }
  bool has_nvidia() const;
};

/// Those in the definition and those it is to get, each once.
std::vector<Gpu> all_gpus(const Vm& vm, const Snapshot& snapshot, const std::vector<Gpu>& more);

void check_hostdevs(const Subject& vm);  ///< cards that are gone or moved, half a card
void check_files(const Subject& vm);     ///< ROM, ACPI table, firmware: there, and QEMU may read them
void check_gpus(const Subject& vm);      ///< BAR sizes, what laptop GPUs need

}  // namespace gpuctl::fitness
