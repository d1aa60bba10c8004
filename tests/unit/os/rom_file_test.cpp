// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/rom_file.hpp"

#include <filesystem>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const auto gpu = *PciAddress::parse("0000:01:00.0");

struct Laptop {
  Laptop() { reference_laptop(machine); }
  std::string read() {
    const RootDir root{machine.root()};
    SysfsPciControl control{root};
    return read_rom(root, control, gpu);
  }
  std::string text(const std::string& attribute) const {
    return RootDir{machine.root()}.text("sys/bus/pci/devices/0000:01:00.0/" + attribute);
  }
  FakeMachine machine;
};

ErrorCode error_of(Laptop& laptop) {
  try {
    laptop.read();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("a ROM is switched on by \"1\", read whole, and switched off by exactly \"0\\n\"") {
  Laptop laptop;
  // A plain file keeps what is written to it, so that both writes can be seen.
  const std::string rom = "##" + std::string(200000, 'r');
  laptop.machine.file(laptop.machine.directory("0000:01:00.0") + "/rom", rom);
  CHECK(laptop.read() == "1#" + std::string(200000, 'r'));
  CHECK(laptop.text("rom").substr(0, 3) == "0\nr");
}

TEST_CASE("the card is left to sleep again as it was") {
  Laptop laptop;
  CHECK(laptop.text("power/control") == "auto");
  laptop.read();
  CHECK(laptop.text("power/control") == "auto");
}

TEST_CASE("a card without a ROM, and one that does not answer, have their own errors") {
  Laptop laptop;
  laptop.machine.take_away("0000:01:00.0", "rom");
  CHECK(error_of(laptop) == ErrorCode::not_supported);
  Laptop gone;
  gone.machine.fall_off_the_bus("0000:01:00.0");
  CHECK(error_of(gone) == ErrorCode::device_gone);
  CHECK(gone.text("rom").substr(0, 1) == "\x55");
}
