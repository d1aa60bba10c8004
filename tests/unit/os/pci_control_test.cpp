// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/pci_control.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciAddress gpu{0, 1, 0, 0};

struct Laptop {
  FakeMachine machine;
  RootDir root{(reference_laptop(machine), machine.root())};
  SysfsPciControl pci{root};

  /// Files of a fake tree keep what was written, and do not forget what was longer before.
  std::string written(const std::string& path) { return root.text(path); }
  std::string device(const std::string& attribute) const {
    return "sys/bus/pci/devices/0000:01:00.0/" + attribute;
  }
};

template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& e) {
    return e;
  }
  FAIL("no error");
  return {ErrorCode::internal, ""};
}

}  // namespace

TEST_CASE("each change writes the kernel's words into the kernel's file") {
  Laptop it;
  for (const auto* attribute : {"driver_override", "power/control", "d3cold_allowed", "reset", "remove"})
    it.machine.set("0000:01:00.0", attribute, "");
  it.pci.set_driver_override(gpu, "vfio-pci");
  CHECK(it.root.read(it.device("driver_override")) == "vfio-pci");
  it.pci.set_power_control(gpu, "on");
  CHECK(it.root.read(it.device("power/control")) == "on");
  it.pci.set_d3cold_allowed(gpu, false);
  CHECK(it.root.read(it.device("d3cold_allowed")) == "0");
  it.pci.reset(gpu);
  CHECK(it.root.read(it.device("reset")) == "1");
  it.pci.remove(gpu);
  CHECK(it.root.read(it.device("remove")) == "1");
  it.pci.unbind(gpu, "nvidia");
  CHECK(it.root.read("sys/bus/pci/drivers/nvidia/unbind") == "0000:01:00.0");
  it.pci.bind(gpu, "vfio-pci");
  CHECK(it.root.read("sys/bus/pci/drivers/vfio-pci/bind") == "0000:01:00.0");
  it.pci.rescan();
  CHECK(it.root.read("sys/bus/pci/rescan") == "1");
  it.machine.file("sys/class/drm/card1/uevent", "");
  it.pci.drm_event("card1", "remove");
  CHECK(it.root.read("sys/class/drm/card1/uevent") == "remove");
}

TEST_CASE("an override is cleared by a newline, because a write of nothing never reaches the driver") {
  Laptop it;
  it.machine.set("0000:01:00.0", "driver_override", "");
  it.pci.set_driver_override(gpu, "");
  CHECK(it.machine.directory("0000:01:00.0").size() > 0);
  CHECK(it.root.read(it.device("driver_override"), 8) == "");
  it.machine.set("0000:01:00.0", "driver_override", "XY");
  it.pci.set_driver_override(gpu, "");
  CHECK(it.root.read(it.device("driver_override")) == "\nY");
}

TEST_CASE("an error names the address, the attribute and the errno") {
  Laptop it;
  it.machine.take_away("0000:01:00.0", "driver_override");
  const auto error = error_of([&] { it.pci.set_driver_override(gpu, "vfio-pci"); });
  CHECK(error.code() == ErrorCode::kernel_refused);
  CHECK(std::string(error.what()) ==
        "0000:01:00.0: writing vfio-pci to driver_override: No such file or directory (ENOENT)");
}

TEST_CASE("a device whose directory went away is gone, whatever was tried") {
  Laptop it;
  it.machine.unplug("0000:01:00.0");
  CHECK(error_of([&] { it.pci.set_driver_override(gpu, ""); }).code() == ErrorCode::device_gone);
  CHECK(error_of([&] { it.pci.set_power_control(gpu, "on"); }).code() == ErrorCode::device_gone);
  it.machine.erase("sys/bus/pci/drivers/nvidia/unbind").erase("sys/bus/pci/drivers/vfio-pci/bind");
  CHECK(error_of([&] { it.pci.unbind(gpu, "nvidia"); }).code() == ErrorCode::device_gone);
  CHECK(error_of([&] { it.pci.bind(gpu, "vfio-pci"); }).code() == ErrorCode::device_gone);
}

TEST_CASE("unbinding from a driver that is not there any more succeeds, binding to one does not") {
  Laptop it;
  it.pci.unbind(gpu, "no-such-driver");
  const auto error = error_of([&] { it.pci.bind(gpu, "no-such-driver"); });
  CHECK(error.code() == ErrorCode::kernel_refused);
  CHECK(std::string(error.what()).find("not registered") != std::string::npos);
}

TEST_CASE("names that would lead out of their directory are refused") {
  Laptop it;
  for (const auto* name : {"", ".", "..", "../../x", "a/b", "a\nb"}) {
    CHECK(error_of([&] { it.pci.bind(gpu, name); }).code() == ErrorCode::invalid_argument);
    CHECK(error_of([&] { it.pci.unbind(gpu, name); }).code() == ErrorCode::invalid_argument);
    CHECK(error_of([&] { it.pci.drm_event(name, "add"); }).code() == ErrorCode::invalid_argument);
  }
  CHECK(error_of([&] { it.pci.set_driver_override(gpu, "a/b"); }).code() == ErrorCode::invalid_argument);
}
