// SPDX-License-Identifier: GPL-2.0-or-later
// Foreign functions that the VM of the GPU gets as well.
#include <doctest/doctest.h>

#include "inventory/card_problems.hpp"
#include "inventory/isolation.hpp"
#include "inventory/scan.hpp"
#include "support/describe.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciIdentity nic{0x8086, 0x10d3, 0x8086, 0x0000, 0x020000};
const PciAddress neighbour{0, 4, 0, 0};
const PciAddress in_slot{0, 1, 0, 2};

Snapshot read(const FakeMachine& m) {
  auto snapshot = scan(RootDir{m.root()}, {});
  snapshot.host = {.iommu = "intel", .virtualization = "vmx", .iommu_in_firmware = true};
  return snapshot;
}

std::string told(const FakeMachine& m, const std::set<PciAddress>& along) {
  const auto snapshot = read(m);
  return describe(attach_problems(snapshot.gpus.at({0, 1, 0}), snapshot, along));
}

}  // namespace

TEST_CASE("a device of the group that goes to the same VM is in nobody's way, another one is") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:04:00.0", {.id = nic, .driver = "e1000e"}).group(15, {"0000:04:00.0"});
  CHECK(told(m, {neighbour}) == "info foreign-in-group 0000:04:00.0\n");
  CHECK(told(m, {in_slot}) == "blocker foreign-in-group 0000:04:00.0\n");
  m.bind("0000:04:00.0", "vfio-pci");
  CHECK(told(m, {neighbour}).empty());
  CHECK(told(m, {in_slot}) == "warning group-shared 0000:04:00.0\n");
}

TEST_CASE("a function of the slot that goes to the same VM may be reset with the GPU, another one may not") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:01:00.2", {.id = nic, .driver = "e1000e", .parent = "0000:00:10.0"})
      .group(30, {"0000:01:00.2"});
  CHECK(told(m, {in_slot}) == "info foreign-in-slot 0000:01:00.2\n");
  CHECK(told(m, {neighbour}) == "blocker foreign-in-slot 0000:01:00.2\n");
}

TEST_CASE("what the host and the group say does not depend on the GPU's drivers") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:04:00.0", {.id = nic, .driver = "e1000e"}).group(15, {"0000:04:00.0"});
  m.bind("0000:01:00.0", "vfio-pci").bind("0000:01:00.1", "vfio-pci").set("0000:01:00.0", "boot_vga", "1\n");
  const auto snapshot = read(m);
  const auto& gpu = snapshot.gpus.at({0, 1, 0});
  CHECK(describe(shared_problems(gpu, snapshot)) == "blocker foreign-in-group 0000:04:00.0\n");
  CHECK(describe(shared_problems(gpu, snapshot, {neighbour})) == "info foreign-in-group 0000:04:00.0\n");
}

TEST_CASE("a console is taken away only from where a driver of the host or the firmware shows it") {
  FakeMachine m;
  reference_laptop(m);
  m.set("0000:01:00.0", "boot_vga", "1\n");
  CHECK(told(m, {}) == "blocker boot-display 0000:01:00.0\n");
  m.bind("0000:01:00.0", "vfio-pci");
  CHECK(told(m, {}) == "warning mixed-drivers 0000:01:00\n");
  m.unbind("0000:01:00.0").unbind("0000:01:00.1").unbind("0000:00:02.0");
  CHECK(told(m, {}) == "warning only-display 0000:01:00.0\ninfo no-host-driver 0000:01:00.0\n");
  for (const std::string kind : {"efi", "simple", "vesa", "vga"}) {
    const auto framebuffer = "sys/bus/platform/devices/" + kind + "-framebuffer.0";
    m.file(framebuffer + "/modalias", "platform:" + kind + "-framebuffer\n");
    CHECK(told(m, {}) == "blocker boot-display 0000:01:00.0\ninfo no-host-driver 0000:01:00.0\n");
    m.erase(framebuffer);
  }
}

TEST_CASE("the firmware's picture is the boot display's, and gone once VFIO has that") {
  FakeMachine m;
  reference_laptop(m);
  m.file("sys/bus/platform/devices/efi-framebuffer.0/modalias", "platform:efi-framebuffer\n");
  m.unbind("0000:01:00.0").unbind("0000:00:02.0");
  CHECK(told(m, {}) == "info no-host-driver 0000:01:00.0\n");
  m.set("0000:00:02.0", "boot_vga", "0\n").set("0000:01:00.0", "boot_vga", "1\n");
  CHECK(told(m, {}).starts_with("blocker boot-display"));
  m.bind("0000:01:00.0", "vfio-pci").bind("0000:01:00.1", "vfio-pci");
  CHECK(told(m, {}) == "warning only-display 0000:01:00.0\ninfo already-on-vfio 0000:01:00\n");
}
