// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/isolation.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "inventory/scan.hpp"
#include "support/describe.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciIdentity nic{0x8086, 0x10d3, 0x8086, 0x0000, 0x020000};

Snapshot read(const FakeMachine& m,
              HostState host = {.iommu = "intel", .virtualization = "vmx", .iommu_in_firmware = true}) {
  auto snapshot = scan(RootDir{m.root()}, {});
  snapshot.host = std::move(host);
  return snapshot;
}

Problems problems_of_slot_1(const Snapshot& snapshot) {
  return attach_problems(snapshot.gpus.at({0, 1, 0}), snapshot);
}

/// Severity, id and subject of what stands in the way of the card in slot 01:00.
std::string told(const Snapshot& snapshot) { return describe(problems_of_slot_1(snapshot)); }

Problem problem(const Snapshot& snapshot, std::string_view id) {
  const auto all = problems_of_slot_1(snapshot);
  const auto it = std::ranges::find(all, id, &Problem::id);
  REQUIRE_MESSAGE(it != all.end(), id);
  return *it;
}

}  // namespace

TEST_CASE("nothing stands in the way on the reference laptop, and all its groups are isolated") {
  FakeMachine m;
  reference_laptop(m);
  const auto snapshot = read(m);
  CHECK(told(snapshot).empty());
  for (const auto& [number, group] : snapshot.groups) CHECK(is_isolated(group, snapshot));
}

TEST_CASE("nothing stands in the way of a four-function card") {
  FakeMachine m;
  four_function_card(m);
  CHECK(told(read(m)).empty());
}

TEST_CASE("a group is viable exactly when nobody but VFIO drives a foreign function of it") {
  struct Case {
    const char* driver;
    bool viable;
  };
  for (const auto& [driver, viable] :
       {Case{"", true}, Case{"vfio-pci", true}, Case{"mlx5-vfio-pci", true}, Case{"pci-stub", true},
        Case{"pcieport", true}, Case{"e1000e", false}, Case{"nvme", false}, Case{"shpchp", false},
        Case{"snd_hda_intel", false}, Case{"nvidia", false}, Case{"xhci_hcd", false}}) {
    FakeMachine m;
    reference_laptop(m);
    m.function("0000:04:00.0", {.id = nic, .driver = driver}).group(15, {"0000:04:00.0"});
    const auto snapshot = read(m);
    CHECK_MESSAGE(is_isolated(snapshot.groups.at(15), snapshot) == viable, driver);
    CHECK_MESSAGE(is_blocked(problems_of_slot_1(snapshot)) != viable, driver);
  }
}

TEST_CASE("a foreign device in the group is named, with its driver and a remedy") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:04:00.0", {.id = nic, .driver = "e1000e"}).group(15, {"0000:04:00.0"});
  const auto snapshot = read(m);
  CHECK(told(snapshot) == "blocker foreign-in-group 0000:04:00.0\n");
  const auto found = problem(snapshot, "foreign-in-group");
  CHECK(found.message ==
        "IOMMU group 15 also holds 0000:04:00.0 (class 0200: 8086:10d3, driver e1000e), which the host uses "
        "and "
        "which is no part of the GPU.");
  CHECK(found.remedy.find("0000:04:00.0") != std::string::npos);
}

TEST_CASE("a foreign function is named by what the PCI id database calls it") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:04:00.0", {.id = nic, .driver = "e1000e"}).group(15, {"0000:04:00.0"});
  auto snapshot = read(m);
  snapshot.functions.at({0, 4, 0, 0}).names = {
      .vendor = "Intel", .device = "82574L", .class_name = "Ethernet controller"};
  CHECK(problem(snapshot, "foreign-in-group")
            .message.find("(Ethernet controller: Intel 82574L, driver e1000e)") != std::string::npos);
}

TEST_CASE("a foreign function of the slot in the GPU's group is told once") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:01:00.2", {.id = nic, .driver = "e1000e", .parent = "0000:00:10.0"})
      .group(15, {"0000:01:00.2"});
  CHECK(told(read(m)) == "blocker foreign-in-group 0000:01:00.2\n");
}

TEST_CASE("a foreign function of the slot in another group would be reset with the GPU") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:01:00.2", {.id = nic, .driver = "e1000e", .parent = "0000:00:10.0"})
      .group(30, {"0000:01:00.2"});
  CHECK(told(read(m)) == "blocker foreign-in-slot 0000:01:00.2\n");
}

TEST_CASE("bridges and root ports in the group do not matter") {
  FakeMachine m;
  reference_laptop(m);
  m.group(15, {"0000:00:10.0"});
  m.bridge("0000:00:01.0", "").group(15, {"0000:00:01.0"});
  const auto snapshot = read(m);
  CHECK(told(snapshot).empty());
  CHECK(snapshot.groups.at(15).functions.size() == 4);
}

TEST_CASE("another function of the group on VFIO is a warning: the group has one owner") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:04:00.0", {.id = nic, .driver = "vfio-pci"}).group(15, {"0000:04:00.0"});
  CHECK(told(read(m)) == "warning group-shared 0000:04:00.0\n");
}

TEST_CASE("two GPUs in one group stand in each other's way") {
  FakeMachine m;
  reference_laptop(m);
  m.gpu("0000:04:00.0", {.id = laptop_gpu_id, .driver = "nvidia"}).group(15, {"0000:04:00.0"});
  CHECK(told(read(m)) == "blocker foreign-in-group 0000:04:00.0\n");
}

TEST_CASE("two identical cards in groups of their own do not") {
  FakeMachine m;
  reference_laptop(m);
  m.gpu("0000:04:00.0", {.id = laptop_gpu_id, .driver = "nvidia"}).group(31, {"0000:04:00.0"});
  CHECK(told(read(m)).empty());
}

TEST_CASE("groups without a GPU are isolated when they hold one device") {
  FakeMachine m;
  m.function("0000:04:00.0", {.id = nic, .driver = "e1000e"})
      .function("0000:04:00.1", {.id = nic, .driver = "e1000e"});
  m.function("0000:05:00.0", {.id = nic, .driver = "e1000e"})
      .function("0000:06:00.0", {.id = nic, .driver = "e1000e"});
  m.group(1, {"0000:04:00.0", "0000:04:00.1"}).group(2, {"0000:05:00.0", "0000:06:00.0"});
  const auto snapshot = read(m);
  CHECK(is_isolated(snapshot.groups.at(1), snapshot));
  CHECK(describe(group_problems(snapshot.groups.at(2), snapshot)) ==
        "blocker foreign-in-group 0000:06:00.0\n");
}

TEST_CASE("without an IOMMU the remedy fits the processor and what the firmware describes") {
  FakeMachine m;
  m.gpu("0000:00:02.0", {.id = laptop_igpu_id, .driver = "i915", .reset_methods = "flr"});
  m.gpu("0000:01:00.0", {.id = laptop_gpu_id, .driver = "nvidia", .reset_methods = "flr"});
  const auto remedy = [&](const char* cpu, bool firmware) {
    const auto snapshot = read(m, {.iommu = "none", .virtualization = cpu, .iommu_in_firmware = firmware});
    CHECK(told(snapshot) == "blocker iommu-off iommu\n");
    return problem(snapshot, "iommu-off").remedy;
  };
  CHECK(remedy("vmx", true).find("add the kernel argument intel_iommu=on") != std::string::npos);
  CHECK(remedy("vmx", true).find("if it is there already, see gpuctl doctor") != std::string::npos);
  CHECK(remedy("svm", true).find("see gpuctl doctor") != std::string::npos);
  CHECK(remedy("vmx", false).find("VT-d") != std::string::npos);
  CHECK(remedy("svm", false).find("AMD-Vi") != std::string::npos);
  CHECK(remedy("svm", true).find("amd_iommu=off") != std::string::npos);
  CHECK(remedy("none", false).find("firmware setup") != std::string::npos);
}

TEST_CASE("a function without a group is told where others have one") {
  FakeMachine m;
  reference_laptop(m);
  m.take_away("0000:01:00.1", "iommu_group");
  CHECK(told(read(m)) == "blocker no-iommu-group 0000:01:00.1\n");
}

TEST_CASE("firmware's direct regions block, relaxable ones do not") {
  FakeMachine m;
  reference_laptop(m);
  m.reserved_regions(
      15,
      "0x000000009b000000 0x000000009f7fffff direct-relaxable\n0x00000000fee00000 0x00000000feefffff msi\n");
  CHECK(told(read(m)).empty());
  m.reserved_regions(15, "0x000000009b000000 0x000000009f7fffff direct\n");
  CHECK(told(read(m)) == "blocker reserved-region group 15\n");
  CHECK(problem(read(m), "reserved-region").message.find("0x9b000000-0x9f7fffff") != std::string::npos);
}

TEST_CASE("a group made without an IOMMU blocks; the parameter that allows it and an ACS override warn") {
  FakeMachine m;
  reference_laptop(m);
  m.group_name(15, "vfio-noiommu");
  const auto snapshot = read(m, {.iommu = "intel", .unsafe_noiommu = true, .acs_override = true});
  CHECK(told(snapshot) ==
        "blocker noiommu group 15\nwarning unsafe-noiommu vfio\nwarning acs-override kernel\n");
  CHECK_FALSE(is_isolated(snapshot.groups.at(15), snapshot));
}

TEST_CASE("the display the machine booted with is not given away, unless forced") {
  FakeMachine m;
  reference_laptop(m);
  m.set("0000:01:00.0", "boot_vga", "1\n");
  CHECK(told(read(m)) == "blocker boot-display 0000:01:00.0\n");
  CHECK(may_be_forced("boot-display"));
}

TEST_CASE("a lit screen is named by its connector; one that is only plugged in does not matter") {
  FakeMachine m;
  reference_laptop(m);
  m.connector("0000:01:00.0", 1, "HDMI-A-1", true, false);
  CHECK(told(read(m)).empty());
  m.connector("0000:01:00.0", 1, "HDMI-A-1", true, true);
  CHECK(told(read(m)) == "blocker display-in-use 0000:01:00.0\n");
  CHECK(problem(read(m), "display-in-use").message.find("card1-HDMI-A-1") != std::string::npos);
}

TEST_CASE("a MUX in discrete mode blocks the discrete GPU only") {
  FakeMachine m;
  reference_laptop(m);
  const auto snapshot = read(m, {.iommu = "intel", .gpu_mux_mode = 0});
  CHECK(told(snapshot) == "blocker mux-discrete 0000:01:00.0\n");
  const auto igpu = describe(attach_problems(snapshot.gpus.at({0, 0, 2}), snapshot));
  CHECK(igpu.find("mux-discrete") == std::string::npos);
  CHECK(told(read(m, {.iommu = "intel", .gpu_mux_mode = 1})).empty());
}

TEST_CASE("a MUX in discrete mode is nothing to a Ryzen's own GPU, though that is behind a port") {
  FakeMachine m;
  m.bridge("0000:00:08.1").gpu("0000:01:00.0", {.id = {0x1002, 0x1638, 0, 0, 0x030000}});
  m.group(1, {"0000:01:00.0"});
  const HostState discrete{.iommu = "amd", .gpu_mux_mode = 0};
  CHECK(told(read(m, discrete)).find("mux-discrete") != std::string::npos);
  m.function("0000:01:00.2", {.id = {0x1022, 0x15df, 0, 0, 0x108000}});
  CHECK(told(read(m, discrete)).find("mux-discrete") == std::string::npos);
}

TEST_CASE("a GPU without a reset method is a warning, since VFIO resets the whole bus if it has all of it") {
  FakeMachine m;
  reference_laptop(m);
  m.take_away("0000:01:00.0", "reset_method");
  CHECK(told(read(m)) == "warning no-reset-method 0000:01:00.0\n");
}

TEST_CASE("a GPU that fell off the bus is gone, whichever function shows it") {
  FakeMachine m;
  reference_laptop(m);
  m.fall_off_the_bus("0000:01:00.1");
  CHECK(told(read(m)) == "blocker gpu-gone 0000:01:00.1\n");
  CHECK_FALSE(may_be_forced("gpu-gone"));
}

TEST_CASE(
    "a reset is no remedy for a GPU that is gone where the kernel can reset it only with its neighbours") {
  FakeMachine m;
  m.gpu("0000:01:00.0", {.id = {0x1002, 0x73bf, 0, 0, 0x030000}, .reset_methods = "bus"});
  m.fall_off_the_bus("0000:01:00.0");
  const auto remedy = [&] { return problem(read(m), "gpu-gone").remedy; };
  CHECK(
      remedy().starts_with("Try 'gpuctl release 0000:01:00 --reset'; if it does not help, 'gpuctl release "
                           "0000:01:00 --rescan'; then switch the machine off"));
  m.companion("0000:01:00.1", "snd_hda_intel");
  CHECK(remedy().starts_with("Try 'gpuctl release 0000:01:00 --rescan'; then switch the machine off"));
}

TEST_CASE("an unbind that hangs is told with the driver that does not let go") {
  FakeMachine m;
  reference_laptop(m);
  m.begin_unbind("0000:01:00.0");
  CHECK(told(read(m)) == "blocker unbind-hangs 0000:01:00.0\n");
  CHECK(problem(read(m), "unbind-hangs").message.find("nvidia") != std::string::npos);
}

TEST_CASE("a GPU with virtual functions cannot be bound to vfio-pci") {
  FakeMachine m;
  reference_laptop(m);
  m.set("0000:01:00.0", "sriov_numvfs", "4\n");
  CHECK(told(read(m)) == "blocker virtual-functions 0000:01:00.0\n");
}

TEST_CASE("a failed power transition and a foreign override are told without blocking") {
  FakeMachine m;
  reference_laptop(m);
  m.set("0000:01:00.0", "power/runtime_status", "error\n")
      .set("0000:01:00.1", "driver_override", "vfio-pci\n");
  CHECK(told(read(m)) == "warning power-error 0000:01:00.0\ninfo override-set 0000:01:00.1\n");
}

TEST_CASE("a card already on VFIO is told, half a one too") {
  FakeMachine m;
  reference_laptop(m);
  m.bind("0000:01:00.1", "vfio-pci");
  CHECK(told(read(m)) == "warning mixed-drivers 0000:01:00\n");
  m.bind("0000:01:00.0", "vfio-pci");
  CHECK(told(read(m)) == "info already-on-vfio 0000:01:00\n");
}

TEST_CASE("a card that no driver of the host has taken is told, not called half on VFIO") {
  FakeMachine m;
  reference_laptop(m);
  m.unbind("0000:01:00.0");
  CHECK(told(read(m)) == "info no-host-driver 0000:01:00.0\n");
  m.bind("0000:01:00.0", "nvidia").unbind("0000:01:00.1");
  CHECK(told(read(m)).empty());
}

TEST_CASE("the last GPU with a host driver goes only with a warning") {
  FakeMachine m;
  reference_laptop(m);
  m.unbind("0000:00:02.0");
  CHECK(told(read(m)) == "warning only-display 0000:01:00.0\n");
}

TEST_CASE("all problems come at once, blockers first, each with a remedy") {
  FakeMachine m;
  reference_laptop(m);
  m.function("0000:04:00.0", {.id = nic, .driver = "e1000e"}).group(15, {"0000:04:00.0"});
  m.set("0000:01:00.0", "boot_vga", "1\n")
      .take_away("0000:01:00.0", "reset_method")
      .fall_off_the_bus("0000:01:00.0");
  const auto all = problems_of_slot_1(read(m, {.iommu = "intel", .acs_override = true, .gpu_mux_mode = 0}));
  CHECK(describe(all) ==
        "blocker foreign-in-group 0000:04:00.0\nblocker gpu-gone 0000:01:00.0\nblocker boot-display "
        "0000:01:00.0\n"
        "blocker mux-discrete 0000:01:00.0\nwarning acs-override kernel\nwarning no-reset-method "
        "0000:01:00.0\n");
  for (const auto& found : all) {
    CHECK_FALSE(found.remedy.empty());
    CHECK(found.message.ends_with('.'));
  }
}
