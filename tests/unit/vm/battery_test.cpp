// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/battery.hpp"

#include <algorithm>
#include <numeric>

#include <doctest/doctest.h>

#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("the battery table is an ACPI table: signature, length and checksum are right") {
  const auto table = battery_table();
  CHECK(table.substr(0, 4) == "SSDT");
  CHECK(static_cast<unsigned char>(table.at(4)) == table.size());
  CHECK(table.substr(5, 3) == std::string(3, '\0'));
  const auto sum = std::accumulate(table.begin(), table.end(), 0U, [](unsigned a, char byte) {
    return a + static_cast<unsigned char>(byte);
  });
  CHECK(sum % 256 == 0);
}

TEST_CASE("it has a battery with what a driver asks of one, and all lengths nest") {
  const auto table = battery_table();
  for (const auto* name : {"_SB_PCI0", "BAT0", "_HID", "_UID", "_STA", "_BIF", "_BST", "LION"})
    CHECK(contains(table, name));
  CHECK(contains(table, std::string{"_HID\x0C\x41\xD0\x0C\x0A", 9}));  // PNP0C0A
  // The scope is all that follows the header: two length bytes, low nibble first.
  const auto length = (static_cast<unsigned char>(table.at(37)) & 0x0FU) |
                      static_cast<unsigned>(static_cast<unsigned char>(table.at(38))) << 4;
  CHECK(length == table.size() - 37);
  const auto device = table.find("\x5B\x82");
  const auto inner = (static_cast<unsigned char>(table.at(device + 2)) & 0x0FU) |
                     static_cast<unsigned>(static_cast<unsigned char>(table.at(device + 3))) << 4;
  CHECK(inner == table.size() - device - 2);
}
