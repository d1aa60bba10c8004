// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci_address.hpp"

#include <doctest/doctest.h>

using gpuctl::PciAddress;
using gpuctl::PciSlot;

TEST_CASE("a PCI address is read as sysfs writes it, and written the same way") {
  const auto address = PciAddress::parse("0000:01:00.0");
  REQUIRE(address);
  CHECK(*address == PciAddress{0, 1, 0, 0});
  CHECK(address->str() == "0000:01:00.0");
  CHECK(PciAddress::parse("10000:E1:1F.7")->str() == "10000:e1:1f.7");
}

TEST_CASE("anything that is not exactly one address is refused") {
  for (const auto* text :
       {"", "01:00.0", "0000:01:00", "0000:01:00.8", "0000:01:20.0", "0000:01:00.0 ", " 0000:01:00.0",
        "0000:01:00.00", "0000-01-00.0", "000:01:00.0", "0000:1:00.0", "0000:01:0.0", "+000:01:00.0",
        "0000:0x:00.0", "123456789:01:00.0", "0000:01:00.-", "../../etc"})
    CHECK_MESSAGE(!PciAddress::parse(text), text);
}

TEST_CASE("a slot may leave out domain 0") {
  CHECK(PciSlot::parse("01:00") == PciSlot{0, 1, 0});
  CHECK(PciSlot::parse("0000:01:00")->str() == "0000:01:00");
  CHECK_FALSE(PciSlot::parse("01:00.0"));
  CHECK_FALSE(PciSlot::parse("1:0"));
}

TEST_CASE("addresses sort by domain, bus, device, function") {
  CHECK(*PciAddress::parse("0000:01:00.1") > *PciAddress::parse("0000:01:00.0"));
  CHECK(*PciAddress::parse("0001:00:00.0") > *PciAddress::parse("0000:ff:1f.7"));
}
