// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/mediated_devices.hpp"

#include <doctest/doctest.h>

#include "support/describe.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("mediated devices of a function block, and are named; other directories below it are none") {
  FakeMachine machine;
  reference_laptop(machine);
  machine.drm("0000:01:00.0", 1);
  const RootDir root(machine.root());
  const std::vector functions{PciAddress{0, 1, 0, 0}, PciAddress{0, 1, 0, 1}};
  const auto place = machine.directory("0000:01:00.0") + "/";
  machine.file(place + "mdev_supported_types/nvidia-63/available_instances", "1\n");
  machine.file(place + "5a3f2c1e-9d8b-4c7a-8e6f-0123456789a/uevent", "");   // too short
  machine.file(place + "5a3f2c1e-9d8b-4c7a-8e6f-0123456789ag/uevent", "");  // no digit
  CHECK(mediated_device_problems(root, functions).empty());
  machine.file(place + "c93a2f1e-9d8b-4c7a-8e6f-0123456789ab/uevent", "");
  machine.file(place + "5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab/uevent", "");
  const auto found = mediated_device_problems(root, functions);
  CHECK(describe(found) == "blocker mediated-devices 0000:01:00.0\n");
  CHECK(found.at(0).message.find("5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab, c93a2f1e") != std::string::npos);
  CHECK(found.at(0).remedy.ends_with("mdevctl stop -u 5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab"));
}
