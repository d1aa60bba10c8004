// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_lookups.hpp"

#include <memory>

#include "host/host_state.hpp"
#include "inventory/module_aliases.hpp"
#include "inventory/pci_names.hpp"

namespace gpuctl {

Lookups machine_lookups(const std::filesystem::path& modules_dir) {
  const auto names = std::make_shared<PciNameTable>();
  const auto aliases = std::make_shared<ModuleAliases>(modules_dir);
  return {[names](const PciIdentity& id) { return names->names(id); },
          [aliases](const PciIdentity& id) { return aliases->modules(modalias(id)); },
          [](const RootDir& root) { return read_host_state(root); }};
}

}  // namespace gpuctl
