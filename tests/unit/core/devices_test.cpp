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
