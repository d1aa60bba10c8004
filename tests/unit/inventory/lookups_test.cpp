// SPDX-License-Identifier: GPL-2.0-or-later
#include "unit/inventory/lookups.hpp"

#include <doctest/doctest.h>

#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("names come from the PCI id database, and stay empty where it has none") {
  PciNameTable table{test_pci_ids};
  const auto gpu = table.names(laptop_gpu_id);
  CHECK(gpu.vendor == "NVIDIA Corporation");
  CHECK(gpu.device == "GA107M [GeForce RTX 3050 Ti Mobile]");
  CHECK(gpu.class_name == "VGA compatible controller");
  CHECK(gpu.subsystem_vendor == "ASUSTeK Computer Inc.");
  CHECK(gpu.subsystem_device.empty());
  CHECK(table.names({0x10de, 0x10f9, 0x1043, 0x8673, 0x040300}).subsystem_device == "TURBO-RTX2070-8G");
  CHECK(table.names({0xfffe, 0x0001, 0, 0, 0xff0000}).vendor.empty());
}

TEST_CASE("without any database there are no names and no failure") {
  PciNameTable table{"/nonexistent/pci.ids"};
  CHECK(table.names(laptop_gpu_id) == PciNames{});
}

TEST_CASE("of a damaged database what comes before the damage is known, and nothing else happens") {
  FakeMachine m;
  m.file("pci.ids", "10de  NVIDIA Corporation\n\t25a0  GA107M\n10de  NVIDIA Corporation\n8086  Intel\n");
  PciNameTable table{m.root() / "pci.ids"};
  CHECK(table.names({0x8086, 0x1, 0, 0, 0}).vendor.empty());
  CHECK(table.names({0x10de, 0x25a0, 0, 0, 0}).device == "GA107M");
  m.file("zeros.ids", std::string(4096, '\0'));
  PciNameTable zeros{m.root() / "zeros.ids"};
  CHECK(zeros.names(laptop_gpu_id) == PciNames{});
}

TEST_CASE("modules that could drive a function are listed in the order of modules.alias, each once") {
  FakeMachine m;
  install_modules(m);
  ModuleAliases aliases{modules_of(m)};
  CHECK(aliases.modules(modalias(laptop_gpu_id)) ==
        std::vector<std::string>{"nouveau", "nvidia_drm", "nvidia"});
  CHECK(aliases.modules(modalias(laptop_audio_id)) == std::vector<std::string>{"snd_hda_intel"});
  CHECK(aliases.modules(modalias({0x1234, 0x1111, 0, 0, 0x038000})).empty());
}

TEST_CASE("without modules of the running kernel no module is known, and vfio-pci is the VFIO driver") {
  FakeMachine m;
  ModuleAliases aliases{"/nonexistent"};
  CHECK(aliases.modules(modalias(laptop_gpu_id)).empty());
  CHECK(vfio_driver_for(laptop_gpu_id, RootDir{m.root()}, aliases) == VfioDriver{"vfio-pci", "vfio_pci"});
}

TEST_CASE("the most specific vfio_pci alias names the variant driver") {
  FakeMachine m;
  install_modules(m);
  const RootDir root{m.root()};
  ModuleAliases aliases{modules_of(m)};
  const auto driver = [&](PciIdentity id) { return vfio_driver_for(id, root, aliases); };
  CHECK(driver(laptop_gpu_id) == VfioDriver{"vfio-pci", "vfio_pci"});
  CHECK(driver({0x10de, 0x2342, 0, 0, 0x030200}) ==
        VfioDriver{"nvgrace-gpu-vfio-pci", "nvgrace_gpu_vfio_pci"});
  CHECK(driver({0x15b3, 0x101e, 0, 0, 0x020000}) == VfioDriver{"mlx5_vfio_pci", "mlx5_vfio_pci"});
}

TEST_CASE("a loaded variant driver tells its name itself") {
  FakeMachine m;
  install_modules(m);
  m.driver("odd-name", "nvgrace_gpu_vfio_pci");
  ModuleAliases aliases{modules_of(m)};
  CHECK(vfio_driver_for({0x10de, 0x2342, 0, 0, 0x030200}, RootDir{m.root()}, aliases).driver == "odd-name");
}
