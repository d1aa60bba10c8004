// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/devices.hpp"

#include <doctest/doctest.h>

using namespace gpuctl;

namespace {

const Gpu gpu{{0, 1, 0, 0}, {{0, 1, 0, 0}, {0, 1, 0, 1}}};

struct Bound {
  std::string driver;
  bool vfio{};
};

bool at_home(const Bound& display, const Bound& audio, const std::string& removing = "") {
  Snapshot now;
  now.functions[{0, 1, 0, 0}] = {
      .address = {0, 1, 0, 0}, .driver = display.driver, .uevent_driver = removing, .vfio = display.vfio};
  now.functions[{0, 1, 0, 1}] = {.address = {0, 1, 0, 1}, .driver = audio.driver, .vfio = audio.vfio};
  return is_at_home(gpu, now);
}

/// In slot 0e:00, with another function beside the display.
bool integrated(PciIdentity display, PciIdentity beside) {
  const PciAddress address{0, 0x0e, 0, 0};
  Snapshot now;
  now.functions[address] = {.address = address, .id = display};
  now.functions[{0, 0x0e, 0, 2}] = {.address = {0, 0x0e, 0, 2}, .id = beside};
  return is_integrated({address, {address}}, now);
}

}  // namespace

TEST_CASE("a GPU is at home unless a function is on VFIO or about to lose its driver") {
  CHECK(at_home({"nvidia"}, {"snd_hda_intel"}));
  CHECK(at_home({"nvidia"}, {}));
  CHECK(at_home({}, {"snd_hda_intel"}));
  CHECK(at_home({}, {}));
  CHECK_FALSE(at_home({"vfio-pci", true}, {"vfio-pci", true}));
  CHECK_FALSE(at_home({"nvidia"}, {"vfio-pci", true}));
  CHECK_FALSE(at_home({}, {"vfio-pci", true}));
  CHECK_FALSE(at_home({}, {}, "nvidia"));
}

TEST_CASE(
    "a Radeon in the slot of a Ryzen's security processor is part of the processor, another card is not") {
  const PciIdentity radeon{0x1002, 0x164e, 0, 0, 0x030000}, psp{0x1022, 0x1649, 0, 0, 0x108000};
  CHECK(integrated(radeon, psp));
  CHECK_FALSE(integrated(radeon, {0x1002, 0x1640, 0, 0, 0x040300}));
  CHECK_FALSE(integrated({0x10de, 0x25a0, 0, 0, 0x030000}, psp));
  CHECK_FALSE(integrated({0x8086, 0x56a0, 0, 0, 0x030000}, psp));  // an Arc, whose slot is on no root bus
  Snapshot now;
  now.functions[{0, 0, 2, 0}] = {.address = {0, 0, 2, 0}, .id = {0x8086, 0x9a60, 0, 0, 0x030000}};
  CHECK(is_integrated({{0, 0, 2, 0}, {{0, 0, 2, 0}}}, now));
}

TEST_CASE("a function whose only way is a reset of its bus is not reset where it has neighbours") {
  const PciFunction alone{.reset_methods = {"bus"}};
  CHECK(resets_alone(alone, false));
  CHECK_FALSE(resets_alone(alone, true));
  CHECK(resets_alone({.reset_methods = {"pm", "bus"}}, true));
  CHECK_FALSE(resets_alone({}, false));
}
