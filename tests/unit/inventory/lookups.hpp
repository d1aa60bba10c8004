// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <memory>

#include "inventory/module_aliases.hpp"
#include "inventory/pci_names.hpp"
#include "inventory/scan.hpp"
#include "support/fake_machine.hpp"
#include "support/module_index.hpp"

namespace gpuctl::test {

inline const std::string test_pci_ids = TEST_DATA "/unit/inventory/data/pci.ids";

/// Where a fake machine keeps the modules of its kernel.
inline std::filesystem::path modules_of(const FakeMachine& machine) {
  return machine.root() / "lib/modules/test";
}

/// modules.alias as a Debian 13 with NVIDIA's driver has it, as far as the fake machines go.
inline void install_modules(const FakeMachine& machine) {
  write_module_aliases(modules_of(machine),
                       {{"pci:v000010DEd*sv*sd*bc03sc*i*", "nouveau"},
                        {"pci:v000010DEd*sv*sd*bc03sc00i00*", "nvidia_drm"},
                        {"pci:v000010DEd*sv*sd*bc03sc02i00*", "nvidia_drm"},
                        {"pci:v000010DEd*sv*sd*bc03sc00i00*", "nvidia"},
                        {"pci:v000010DEd*sv*sd*bc03sc02i00*", "nvidia"},
                        {"pci:v000010DEd*sv*sd*bc04sc03i00*", "snd_hda_intel"},
                        {"pci:v000010ECd00008168sv*sd*bc*sc*i*", "r8169"},
                        {"pci:v*d*sv*sd*bc01sc08i02*", "nvme"},
                        {"vfio_pci:v*d*sv*sd*bc*sc*i*", "vfio_pci"},
                        {"vfio_pci:v000010DEd00002342sv*sd*bc*sc*i*", "nvgrace_gpu_vfio_pci"},
                        {"vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i*", "mlx5_vfio_pci"}});
}

/// Lookups in the test's own tables instead of this machine's.
inline Lookups test_lookups(const FakeMachine& machine) {
  auto table = std::make_shared<PciNameTable>(test_pci_ids);
  auto aliases = std::make_shared<ModuleAliases>(modules_of(machine));
  return {.names = [table](const PciIdentity& id) { return table->names(id); },
          .modules = [aliases](const PciIdentity& id) { return aliases->modules(modalias(id)); }};
}

}  // namespace gpuctl::test
