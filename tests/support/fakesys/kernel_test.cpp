// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "control.hpp"

using fakesys::Kernel;
using fakesys::Lock;

namespace {
struct Laptop {
  Kernel kernel{fakesys::load_machine(FAKESYS_MACHINES "/laptop.json")};
  const std::string gpu = "/devices/pci0000:00/0000:00:01.0/0000:01:00.0";

  int write(const std::string& path, const std::string& text) {
    Lock lock(kernel.mutex());
    const int written = kernel.write(path, text, 1, lock);
    return written < 0 ? written : 0;
  }
  std::string text(const std::string& path) {
    Lock lock(kernel.mutex());
    const auto* node = kernel.tree().find(path);
    return node ? kernel.read(path, *node) : "<absent>";
  }
  void say(const std::string& line) {
    REQUIRE(fakesys::run_command(kernel, line).starts_with("{\"ok\":true"));
  }
};
}  // namespace

TEST_CASE("the fake kernel binds by override alone what has vfio-pci's kind of id table") {
  Laptop machine;
  machine.say("load vfio_pci");
  CHECK(machine.write("/bus/pci/drivers/nvidia/unbind", "0000:01:00.0") == 0);
  CHECK(machine.write("/bus/pci/drivers/vfio-pci/bind", "0000:01:00.0") == -ENODEV);
  CHECK(machine.write(machine.gpu + "/driver_override", "vfio-pci\n") == 0);
  CHECK(machine.write("/bus/pci/drivers/nvidia/bind", "0000:01:00.0") == -ENODEV);
  CHECK(machine.write("/bus/pci/drivers/vfio-pci/bind", "0000:01:00.0") == 0);
  CHECK(machine.text(machine.gpu + "/driver") == "../../../../bus/pci/drivers/vfio-pci");
  CHECK(machine.text(machine.gpu + "/power/control") == "auto\n");
}

TEST_CASE("drivers_probe says success although the probe failed") {
  Laptop machine;
  machine.say("probe-error nvidia 0000:01:00.0 EBUSY");
  CHECK(machine.write("/bus/pci/drivers/nvidia/unbind", "0000:01:00.0") == 0);
  CHECK(machine.write("/bus/pci/drivers_probe", "0000:01:00.0") == 0);
  CHECK(machine.text(machine.gpu + "/driver") == "<absent>");
  CHECK(machine.write("/bus/pci/drivers/nvidia/bind", "0000:01:00.0") == -EBUSY);
}

TEST_CASE("while remove() hangs the link is gone and DRIVER= stays") {
  Laptop machine;
  machine.say("hang-remove nvidia 1");
  std::thread writer([&] { machine.write("/bus/pci/drivers/nvidia/unbind", "0000:01:00.0"); });
  while (machine.text(machine.gpu + "/driver") != "<absent>") std::this_thread::yield();
  CHECK(machine.text(machine.gpu + "/uevent").find("DRIVER=nvidia") != std::string::npos);
  machine.say("hang-remove nvidia 0");
  writer.join();
  CHECK(machine.text(machine.gpu + "/uevent").find("DRIVER=") == std::string::npos);
}

TEST_CASE("a host driver cannot bind in a group that a VM owns") {
  Laptop machine;
  CHECK(machine.write("/bus/pci/drivers/snd_hda_intel/unbind", "0000:01:00.1") == 0);
  machine.say("own 15 1");
  CHECK(machine.write("/bus/pci/drivers/snd_hda_intel/bind", "0000:01:00.1") == -EBUSY);
}

TEST_CASE("a removed function comes back by rescan with its natural driver and no override") {
  Laptop machine;
  CHECK(machine.write(machine.gpu + "/driver_override", "vfio-pci\n") == 0);
  CHECK(machine.write(machine.gpu + "/remove", "1") == 0);
  CHECK(machine.text(machine.gpu + "/vendor") == "<absent>");
  CHECK(machine.write("/bus/pci/rescan", "1") == 0);
  CHECK(machine.text(machine.gpu + "/driver_override") == "(null)\n");
  CHECK(machine.text(machine.gpu + "/driver") == "../../../../bus/pci/drivers/nvidia");
}

TEST_CASE("faults hit the chosen writes only, and restart forgets everything") {
  Laptop machine;
  machine.say("fail bus/pci/drivers/*/unbind EIO 1 1");
  CHECK(machine.write("/bus/pci/drivers/nvidia/unbind", "0000:01:00.0") == 0);
  CHECK(machine.write("/bus/pci/drivers/snd_hda_intel/unbind", "0000:01:00.1") == -EIO);
  CHECK(machine.write("/bus/pci/drivers/snd_hda_intel/unbind", "0000:01:00.1") == 0);
  machine.say("restart");
  CHECK(machine.text(machine.gpu + "/driver") == "../../../../bus/pci/drivers/nvidia");
}
