// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/scan.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <limits>
#include <sstream>

#include <fmt/format.h>

#include "support/describe.hpp"
#include "support/machines.hpp"
#include "unit/inventory/lookups.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

PciAddress at(const char* text) { return PciAddress::parse(text).value(); }

/// The checked-in text; written anew when GPUCTL_ACCEPT is set, to be reviewed as a diff.
std::string expected(const std::string& name, const std::string& actual) {
  const std::string path = TEST_DATA "/unit/inventory/data/" + name;
  if (std::getenv("GPUCTL_ACCEPT") != nullptr) std::ofstream(path) << actual;
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

PciAddress nth(unsigned n) {
  return {0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>((n >> 3) & 0x1f),
          static_cast<std::uint8_t>(n & 7)};
}

}  // namespace

TEST_CASE("the reference laptop is read as it is described") {
  FakeMachine m;
  reference_laptop(m);
  install_modules(m);
  const auto text = describe(scan(RootDir{m.root()}, test_lookups(m)));
  CHECK(text == expected("reference-laptop.txt", text));
}

TEST_CASE("USB and UCSI functions of a slot belong to its GPU") {
  FakeMachine m;
  four_function_card(m);
  const auto snapshot = scan(RootDir{m.root()}, {});
  CHECK(snapshot.gpus.at({0, 1, 0}).functions.size() == 4);
  CHECK(snapshot.gpu_of(at("0000:01:00.3"))->address == at("0000:01:00.0"));
}

TEST_CASE("a function of another class in the slot is no companion") {
  FakeMachine m;
  m.gpu("0000:01:00.0", {.id = laptop_gpu_id});
  m.function("0000:01:00.2", {.id = {0x8086, 0x10d3, 0, 0, 0x020000}});
  CHECK(scan(RootDir{m.root()}, {}).gpus.at({0, 1, 0}).functions == std::vector{at("0000:01:00.0")});
}

TEST_CASE("a function of its card that a device link ties to the GPU belongs to it; a bridge does not") {
  FakeMachine m;
  m.bridge("0000:00:10.0")
      .bridge("0000:01:00.0")
      .bridge("0000:02:01.0", "pcieport", {.parent = "0000:01:00.0"});
  m.bridge("0000:02:04.0", "pcieport", {.parent = "0000:01:00.0"});
  m.gpu("0000:03:00.0", {.id = laptop_gpu_id, .parent = "0000:02:01.0"});
  m.function("0000:04:00.0",
             {.id = {0x10de, 0x1234, 0, 0, 0x118000}, .revision = 7, .parent = "0000:02:04.0"});
  m.device_link("0000:04:00.0", "0000:03:00.0").device_link("0000:03:00.0", "0000:00:10.0");
  const auto snapshot = scan(RootDir{m.root()}, {});
  CHECK(snapshot.gpus.at({0, 3, 0}).functions == std::vector{at("0000:03:00.0"), at("0000:04:00.0")});
  CHECK(snapshot.find(at("0000:04:00.0"))->power_control == "on");
}

TEST_CASE("a 3D controller is a GPU although it has no boot_vga attribute") {
  FakeMachine m;
  m.gpu("0000:01:00.0", {.id = {0x10de, 0x25a0, 0x1043, 0x1ccc, 0x030200}});
  const auto snapshot = scan(RootDir{m.root()}, {});
  CHECK(snapshot.gpus.size() == 1);
  CHECK_FALSE(snapshot.find(at("0000:01:00.0"))->boot_vga);
}

TEST_CASE("two identical cards are two GPUs") {
  FakeMachine m;
  for (const auto* slot : {"0000:01:00", "0000:02:00"}) {
    m.gpu(fmt::format("{}.0", slot), {.id = laptop_gpu_id, .driver = "nvidia"});
    m.companion(fmt::format("{}.1", slot), "snd_hda_intel");
  }
  const auto snapshot = scan(RootDir{m.root()}, {});
  CHECK(snapshot.gpus.size() == 2);
  CHECK(snapshot.gpus.at({0, 2, 0}).functions == std::vector{at("0000:02:00.0"), at("0000:02:00.1")});
}

TEST_CASE("PCI domains behind VMD have five digits") {
  FakeMachine m;
  m.bridge("10000:e0:06.0").gpu("10000:e1:00.0", {.id = laptop_gpu_id});
  const auto snapshot = scan(RootDir{m.root()}, {});
  REQUIRE(snapshot.find(at("10000:e1:00.0")) != nullptr);
  CHECK(snapshot.gpus.begin()->second.address.str() == "10000:e1:00.0");
}

TEST_CASE("virtual functions of an SR-IOV GPU are not swept along with it") {
  FakeMachine m;
  m.gpu("0000:00:02.0", {.id = laptop_igpu_id}).set("0000:00:02.0", "sriov_numvfs", "1\n");
  m.gpu("0000:00:02.1", {.id = laptop_igpu_id});
  m.link(m.directory("0000:00:02.1") + "/physfn", m.directory("0000:00:02.0"));
  const auto snapshot = scan(RootDir{m.root()}, {});
  CHECK(snapshot.gpus.at({0, 0, 2}).functions == std::vector{at("0000:00:02.0")});
  CHECK(snapshot.find(at("0000:00:02.0"))->virtual_functions == 1);
  CHECK(snapshot.find(at("0000:00:02.1"))->physical_function == at("0000:00:02.0"));
}

TEST_CASE("a driver counts as VFIO's by its vfio-dev directory, whatever its name") {
  FakeMachine m;
  m.gpu("0000:01:00.0", {.id = laptop_gpu_id, .driver = "nvgrace-gpu-vfio-pci"});
  m.companion("0000:01:00.1", "snd_hda_intel");
  const auto snapshot = scan(RootDir{m.root()}, {});
  CHECK(snapshot.find(at("0000:01:00.0"))->vfio);
  CHECK_FALSE(snapshot.find(at("0000:01:00.1"))->vfio);
}

TEST_CASE(
    "while remove() runs there is a driver in uevent but no link, and nothing that could wait is read") {
  FakeMachine m;
  m.gpu("0000:01:00.0", {.id = laptop_gpu_id, .driver = "nvidia", .driver_override = "vfio-pci"});
  m.begin_unbind("0000:01:00.0").fall_off_the_bus("0000:01:00.0");
  const auto snapshot = scan(RootDir{m.root()}, {});
  const auto& function = *snapshot.find(at("0000:01:00.0"));
  CHECK(function.driver.empty());
  CHECK(function.uevent_driver == "nvidia");
  CHECK(function.driver_override.empty());
  CHECK(function.present);
  CHECK(bound_state(snapshot.gpus.begin()->second, snapshot) == GpuState::stuck);
}

TEST_CASE("config space is asked only of an awake device that no guest has") {
  FakeMachine m;
  const auto present = [&] { return scan_function(RootDir{m.root()}, {}, at("0000:01:00.0"))->present; };
  m.gpu("0000:01:00.0", {.id = laptop_gpu_id, .driver = "nvidia"}).fall_off_the_bus("0000:01:00.0");
  CHECK_FALSE(present());
  m.set("0000:01:00.0", "power/runtime_status", "suspended\n");
  CHECK(present());
  m.set("0000:01:00.0", "power/runtime_status", "active\n").bind("0000:01:00.0", "vfio-pci");
  CHECK(present());
}

TEST_CASE("one function is read alone, with its details; an absent one is nothing") {
  FakeMachine m;
  reference_laptop(m);
  const RootDir root{m.root()};
  const auto whole = scan(root, {});
  CHECK(*scan_function(root, {}, at("0000:01:00.0")) == *whole.find(at("0000:01:00.0")));
  CHECK_FALSE(scan_function(root, {}, at("0000:05:00.0")));
}

TEST_CASE("garbage in attributes is read as nothing, never as a crash") {
  for (const std::string garbage :
       {"", "\n", "=", "===\n\n=", "PCI_ID=zz:yy\nPCI_CLASS=-1\nPCI_SUBSYS_ID=:\n", "0x", "\xff\xfe\x00x",
        "PCI_CLASS=ffffffffffffffff\nPCI_ID=99999:1", "DRIVER"}) {
    FakeMachine m;
    reference_laptop(m);
    for (const auto* name :
         {"uevent", "class", "revision", "driver_override", "reset_method", "boot_vga", "power_state",
          "d3cold_allowed", "power/control", "power/runtime_status", "config", "sriov_numvfs"})
      m.set("0000:01:00.0", name, garbage);
    m.reserved_regions(15, garbage).group_name(15, garbage).cmdline(garbage);
    m.file("sys/bus/pci/devices/not an address", garbage);
    m.erase(m.directory("0000:01:00.1") + "/iommu_group")
        .file(m.directory("0000:01:00.1") + "/iommu_group", garbage);
    const auto snapshot = scan(RootDir{m.root()}, {});
    CHECK(snapshot.functions.size() == 8);
    CHECK(snapshot.find(at("0000:01:00.1"))->iommu_group == std::nullopt);
  }
}

TEST_CASE("a device that vanishes in the middle of a scan is left out, half a device is none") {
  FakeMachine m;
  reference_laptop(m);
  m.take_away("0000:01:00.1", "uevent");
  m.erase("sys/bus/pci/devices/0000:02:00.0")
      .link("sys/bus/pci/devices/0000:02:00.0", "sys/devices/gone/0000:02:00.0");
  const auto snapshot = scan(RootDir{m.root()}, {});
  CHECK(snapshot.find(at("0000:01:00.1")) == nullptr);
  CHECK(snapshot.find(at("0000:02:00.0")) == nullptr);
  CHECK(snapshot.gpus.at({0, 1, 0}).functions == std::vector{at("0000:01:00.0")});
}

TEST_CASE("a partial scan sees what happened to a card, and equals a whole one") {
  FakeMachine m;
  reference_laptop(m);
  install_modules(m);
  const RootDir root{m.root()};
  const auto lookups = test_lookups(m);
  const auto before = scan(root, lookups);
  m.bind("0000:01:00.0", "vfio-pci").set("0000:01:00.1", "power/control", "on\n");
  const auto after = rescan(root, {}, before, {.functions = {at("0000:01:00.0")}});
  CHECK(after.find(at("0000:01:00.0"))->vfio);
  CHECK(after == scan(root, lookups));
}

TEST_CASE("unplugging and plugging functions one by one leads to the same snapshot as a whole scan") {
  FakeMachine m;
  reference_laptop(m);
  const RootDir root{m.root()};
  auto now = scan(root, {});
  for (const auto* address : {"0000:01:00.1", "0000:01:00.0"}) {
    m.unplug(address);
    now = rescan(root, {}, now, {.functions = {at(address)}});
    CHECK(now == scan(root, {}));
  }
  CHECK(now.gpus.size() == 1);
  CHECK_FALSE(now.groups.contains(15));
  m.companion("0000:01:00.1", "snd_hda_intel", {.parent = "0000:00:10.0"}).group(15, {"0000:01:00.1"});
  now = rescan(root, {}, now, {.functions = {at("0000:01:00.1")}});
  m.gpu("0000:01:00.0", {.id = laptop_gpu_id, .parent = "0000:00:10.0"}).group(15, {"0000:01:00.0"});
  now = rescan(root, {}, now, {.functions = {at("0000:01:00.0")}});
  CHECK(now == scan(root, {}));
  CHECK(now.gpus.size() == 2);
}

TEST_CASE("in transition a function keeps what cannot be read without waiting") {
  FakeMachine m;
  reference_laptop(m);
  const RootDir root{m.root()};
  const auto before = scan(root, {});
  m.set("0000:01:00.0", "driver_override", "vfio-pci\n")
      .fall_off_the_bus("0000:01:00.0")
      .unbind("0000:01:00.0");
  const auto gpu = at("0000:01:00.0");
  const auto during = rescan(root, {}, before, {.functions = {gpu}, .in_transition = {gpu}});
  CHECK(during.find(gpu)->driver.empty());
  CHECK(during.find(gpu)->driver_override.empty());
  CHECK(during.find(gpu)->present);
  const auto afterwards = rescan(root, {}, during, {.functions = {gpu}});
  CHECK(afterwards.find(gpu)->driver_override == "vfio-pci");
  CHECK_FALSE(afterwards.find(gpu)->present);
}

TEST_CASE("the override of a function on VFIO is not read again: that may wait for a guest's reset") {
  FakeMachine m;
  m.gpu("0000:01:00.0", {.id = laptop_gpu_id}).bind("0000:01:00.0", "vfio-pci");
  m.set("0000:01:00.0", "driver_override", "vfio-pci\n");
  const RootDir root{m.root()};
  const auto gpu = at("0000:01:00.0");
  auto known = scan(root, {});
  m.set("0000:01:00.0", "driver_override", "unread\n");
  CHECK(rescan(root, {}, known, {.functions = {gpu}}).find(gpu)->driver_override == "vfio-pci");
  known.functions.at(gpu).driver_override.clear();  // as it was before it went there
  CHECK(rescan(root, {}, known, {.functions = {gpu}}).find(gpu)->driver_override == "unread");
}

TEST_CASE("what the host's drivers tie to a GPU of the same card stays with it while it is away") {
  FakeMachine m;  // an Arc card, whose GPU and audio are behind its own switch
  m.bridge("0000:01:00.0").bridge("0000:02:01.0", "pcieport", {.parent = "0000:01:00.0"});
  m.bridge("0000:02:04.0", "pcieport", {.parent = "0000:01:00.0"});
  m.gpu("0000:03:00.0", {.id = {0x8086, 0x56a0, 0, 0, 0x030000}, .parent = "0000:02:01.0"});
  m.gpu("0000:04:00.0", {.id = {0x8086, 0x4f90, 0, 0, 0x040300}, .parent = "0000:02:04.0"});
  m.bind("0000:03:00.0", "i915")
      .bind("0000:04:00.0", "snd_hda_intel")
      .device_link("0000:04:00.0", "0000:03:00.0");
  const RootDir root{m.root()};
  const std::vector both{at("0000:03:00.0"), at("0000:04:00.0")};
  const ScanScope scope{.functions = {both.begin(), both.end()}};
  auto known = scan(root, {});
  REQUIRE(known.gpus.at(both[0].slot()).functions == both);
  for (const auto* link :
       {"0000:03:00.0/consumer:pci:0000:04:00.0", "0000:04:00.0/supplier:pci:0000:03:00.0"})
    m.erase(std::string{"sys/bus/pci/devices/"} + link);
  m.unbind("0000:04:00.0");
  known = rescan(root, {}, known, scope);
  m.unbind("0000:03:00.0").bind("0000:04:00.0", "vfio-pci").bind("0000:03:00.0", "vfio-pci");
  known = rescan(root, {}, known, scope);
  CHECK(known.gpus.at(both[0].slot()).functions == both);
  CHECK(known.gpu_of(both[1]) == &known.gpus.at(both[0].slot()));
  for (const auto* address : {"0000:03:00.0", "0000:04:00.0"}) m.unbind(address);
  m.bind("0000:03:00.0", "i915").bind("0000:04:00.0", "snd_hda_intel");  // whose word counts again
  CHECK(rescan(root, {}, known, scope).gpus.at(both[0].slot()).functions.size() == 1);
}

TEST_CASE("the board's own sound chip is no part of the integrated GPU that drives it, nor of one that did") {
  FakeMachine m;
  m.gpu("0000:00:02.0", {.id = laptop_igpu_id})
      .function("0000:00:1f.3", {.id = {0x8086, 0x51c8, 0, 0, 0x040380}});
  m.bind("0000:00:02.0", "i915")
      .bind("0000:00:1f.3", "snd_hda_intel")
      .device_link("0000:00:1f.3", "0000:00:02.0");
  const RootDir root{m.root()};
  const auto sound = at("0000:00:1f.3"), igpu = at("0000:00:02.0");
  const auto known = scan(root, {});
  CHECK(known.find(igpu)->linked == std::vector{sound});
  CHECK(known.gpus.at(igpu.slot()).functions == std::vector{igpu});
  CHECK(known.gpu_of(sound) == nullptr);
  for (const auto* link :
       {"0000:00:02.0/consumer:pci:0000:00:1f.3", "0000:00:1f.3/supplier:pci:0000:00:02.0"})
    m.erase(std::string{"sys/bus/pci/devices/"} + link);
  m.unbind("0000:00:1f.3").bind("0000:00:1f.3", "vfio-pci");
  const auto now = rescan(root, {}, known, {.functions = {sound, igpu}});
  CHECK(now.gpu_of(sound) == nullptr);
}

TEST_CASE("a driver that was installed since is among the modules of what it drives") {
  FakeMachine m;
  reference_laptop(m);
  const RootDir root{m.root()};
  const auto gpu = at("0000:01:00.0");
  m.unbind("0000:01:00.0");
  const Lookups none{.modules = [](const PciIdentity&) { return std::vector<std::string>{"nouveau"}; }};
  const auto before = scan(root, none);
  m.bind("0000:01:00.0", "nvidia");
  install_modules(m);
  const Lookups gone{.modules = [](const PciIdentity&) { return std::vector<std::string>{}; }};
  CHECK(rescan(root, gone, before, {.functions = {gpu}}).find(gpu)->modules == before.find(gpu)->modules);
  const auto now = rescan(root, test_lookups(m), before, {.functions = {gpu}});
  CHECK(now.find(gpu)->modules == std::vector<std::string>{"nouveau", "nvidia_drm", "nvidia"});
}

TEST_CASE("another card at the same address gets its own names") {
  FakeMachine m;
  m.gpu("0000:01:00.0", {.id = laptop_gpu_id});
  const RootDir root{m.root()};
  const Lookups lookups{.names = [](const PciIdentity& id) { return PciNames{.device = id.ids()}; }};
  const auto before = scan(root, lookups);
  m.unplug("0000:01:00.0").gpu("0000:01:00.0", {.id = {0x1002, 0x73bf, 0, 0, 0x030000}});
  CHECK(rescan(root, lookups, before, {.functions = {at("0000:01:00.0")}})
            .find(at("0000:01:00.0"))
            ->names.device == "1002:73bf");
}

TEST_CASE("ten thousand functions cost about ten times as much as a thousand") {
  struct Measured {
    explicit Measured(unsigned functions) : count{functions} {
      for (unsigned n = 0; n < count; ++n)
        machine.file(fmt::format("sys/bus/pci/devices/{}/uevent", nth(n).str()),
                     "PCI_CLASS=20000\nPCI_ID=8086:10D3\nPCI_SUBSYS_ID=0000:0000\n");
    }
    void again() {
      const auto start = std::clock();  // of the processor: other tests run beside
      REQUIRE(scan(RootDir{machine.root()}, {}).functions.size() == count);
      best = std::min(best, std::clock() - start);
    }
    FakeMachine machine;
    unsigned count;
    std::clock_t best = std::numeric_limits<std::clock_t>::max();
  } thousand{1000}, ten_thousand{10000};
  for (int round = 0; round < 3; ++round) {  // by turns: the machine may be slower now than it was
    thousand.again();
    ten_thousand.again();
  }
  CHECK(ten_thousand.best < 25 * thousand.best);
}
