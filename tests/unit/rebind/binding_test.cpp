// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/binding.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "rebind/native_driver.hpp"
#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("a binding records drivers with their modules, overrides and power settings") {
  const World world{reference_laptop};
  REQUIRE(world.home.functions.size() == 2);
  CHECK(world.home.functions[0] ==
        FunctionBinding{{0, 1, 0, 0}, laptop_gpu_id, "nvidia", "nvidia", "", "auto", true});
  CHECK(world.home.functions[1].driver == "snd_hda_intel");
}

TEST_CASE("a binding reads back from JSON as it was, whatever its strings hold") {
  World world{four_function_card};
  world.home.functions[2].d3cold_allowed.reset();
  world.home.functions[3].driver_override = "quote \" and → arrow";
  world.home.vm = "2b0b4d7e-0000-4000-8000-0000000000aa";
  CHECK(binding_from_json(nlohmann::json::parse(binding_to_json(world.home).dump())) == world.home);
}

TEST_CASE("JSON that is no binding is an error, not a crash") {
  const auto good = binding_to_json(World{reference_laptop}.home);
  for (const auto& [key, value] : good.items()) {
    auto missing = good;
    missing.erase(key);
    CHECK_THROWS_AS(binding_from_json(missing), Error);
    auto wrong = good;
    wrong[key] = 7;
    CHECK_THROWS_AS(binding_from_json(wrong), Error);
  }
  for (const auto& [key, value] : good["functions"][0].items()) {
    auto wrong = good;
    wrong["functions"][0][key] = nlohmann::json::array({"x"});
    CHECK_THROWS_AS(binding_from_json(wrong), Error);
  }
  for (const auto* text : {"null", "[]", "3", "\"x\"", "{}"})
    CHECK_THROWS_AS(binding_from_json(nlohmann::json::parse(text)), Error);
}

TEST_CASE("a card that was swapped, moved or taken out is refused by name") {
  World world{reference_laptop};
  CHECK(identity_problems(world.home, world.snapshot()).empty());

  auto swapped = world.snapshot();
  swapped.functions.at({0, 1, 0, 0}).id.device = 0x2684;
  const auto changed = identity_problems(world.home, swapped);
  REQUIRE(changed.size() == 1);
  CHECK(changed[0].id == "device-changed");
  CHECK(changed[0].message.find("10de:25a0") != std::string::npos);
  CHECK(changed[0].message.find("10de:2684") != std::string::npos);

  auto moved = world.snapshot();
  auto card = moved.functions.extract(PciAddress{0, 1, 0, 0});
  card.key() = {0, 5, 0, 0};
  card.mapped().address = {0, 5, 0, 0};
  moved.functions.insert(std::move(card));
  const auto elsewhere = identity_problems(world.home, moved);
  REQUIRE(elsewhere.size() == 1);
  CHECK(elsewhere[0].id == "device-moved");
  CHECK(elsewhere[0].message.find("0000:05:00.0") != std::string::npos);

  const auto gone = identity_problems(world.home, Snapshot{});
  REQUIRE(gone.size() == 2);
  CHECK(gone[0].id == "device-gone");
}

TEST_CASE("a subsystem or class of its own makes it another card") {
  const World world{reference_laptop};
  for (auto member : {&PciIdentity::vendor, &PciIdentity::subsystem_vendor, &PciIdentity::subsystem_device}) {
    auto now = world.snapshot();
    now.functions.at({0, 1, 0, 0}).id.*member ^= 1;
    CHECK(identity_problems(world.home, now).size() == 1);
  }
  auto now = world.snapshot();
  now.functions.at({0, 1, 0, 0}).id.class_code = 0x030200;
  CHECK(identity_problems(world.home, now).size() == 1);
}

TEST_CASE("a GPU that was on vfio from boot belongs to the native drivers of its modules") {
  World world{reference_laptop};
  world.machine.bind("0000:01:00.0", "vfio-pci").bind("0000:01:00.1", "vfio-pci");
  world.machine.set("0000:01:00.0", "driver_override", "vfio-pci");
  auto now = world.snapshot();
  now.functions.at({0, 1, 0, 0}).modules = {"nouveau", "nvidia_drm", "nvidia"};
  now.functions.at({0, 1, 0, 1}).modules = {"vfio_pci", "snd_hda_intel"};
  const auto native = native_binding(world.gpu(), now, {{"vfio-pci", "vfio_pci"}, {"nvidia", "nvidia"}});
  CHECK(native.functions[0].driver == "nvidia");
  CHECK(native.functions[0].driver_override.empty());
  CHECK(native.functions[1].driver == "snd_hda_intel");
  CHECK(native.functions[1].module == "snd_hda_intel");
}

TEST_CASE(
    "of a GPU that is only partly on vfio the other functions stay as they are, with a driver or without") {
  World world{reference_laptop};
  world.machine.bind("0000:01:00.0", "vfio-pci").unbind("0000:01:00.1");
  world.machine.set("0000:01:00.1", "driver_override", "mine");
  auto now = world.snapshot();
  now.functions.at({0, 1, 0, 0}).modules = {"nvidia"};
  now.functions.at({0, 1, 0, 1}).modules = {"snd_hda_intel"};
  const auto native = native_binding(world.gpu(), now, world.drivers());
  CHECK(native.functions[0].driver == "nvidia");
  CHECK(native.functions[1].driver.empty());
  CHECK(native.functions[1].driver_override == "mine");
  world.machine.unbind("0000:01:00.0");
  now.functions.at({0, 1, 0, 0}) = world.snapshot().functions.at({0, 1, 0, 0});
  now.functions.at({0, 1, 0, 0}).modules = {"nvidia"};
  CHECK(native_binding(world.gpu(), now, world.drivers()).functions[1].driver == "snd_hda_intel");
}

TEST_CASE("a native driver is known by its module even where their names differ") {
  CHECK(native_driver({"xhci_pci"}, {}).driver == "xhci_hcd");
  CHECK(native_driver({"i2c_nvidia_gpu"}, {}).driver == "nvidia-gpu");
  CHECK(native_driver({"nvidia_drm", "nvidia"}, {}).driver == "nvidia");
  CHECK(native_driver({"nvidia", "nouveau"}, {{"nouveau", "nouveau"}}).driver == "nouveau");
  CHECK(native_driver({"vfio_pci"}, {{"vfio-pci", "vfio_pci"}}).driver.empty());
}

TEST_CASE("Debian's names of NVIDIA's modules mean the one that is loaded") {
  const std::vector<std::string> debian{"nouveau", "nvidia_current_drm", "nvidia_current"};
  CHECK(native_driver(debian, {{"nvidia", "nvidia"}}).driver == "nvidia");
  const auto absent = native_driver(debian, {}, {"nouveau"});
  CHECK(absent.driver == "nvidia");
  CHECK(absent.module == "nvidia");
  CHECK(native_driver({"nvidia_legacy_390xx_drm", "nvidia_legacy_390xx"}, {}).module == "nvidia");
  CHECK(native_driver({"nvidia_tesla_470_uvm"}, {}).driver.empty());
}

TEST_CASE(
    "a module that modprobe.d keeps away is no native driver, unless it is loaded or there is no other") {
  CHECK(native_driver({"nouveau", "nvidia_drm", "nvidia"}, {}, {"nouveau"}).driver == "nvidia");
  CHECK(native_driver({"nouveau", "nvidia"}, {{"nouveau", "nouveau"}}, {"nouveau"}).driver == "nouveau");
  CHECK(native_driver({"nouveau"}, {}, {"nouveau"}).driver == "nouveau");
}
