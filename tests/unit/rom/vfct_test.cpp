// SPDX-License-Identifier: GPL-2.0-or-later
#include "rom/vfct.hpp"

#include <doctest/doctest.h>

using namespace gpuctl;

namespace {

constexpr PciIdentity radeon{0x1002, 0x73df, 0, 0, 0x030000};
constexpr PciAddress address{0, 3, 0, 0};

std::string number(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::string image(std::uint32_t bus, std::uint16_t device_id, const std::string& rom) {
  return number(bus, 4) + number(0, 4) + number(0, 4) + number(0x1002, 2) + number(device_id, 2) +
         number(0, 4) + number(0, 4) + number(static_cast<std::uint32_t>(rom.size()), 4) + rom;
}

/// ACPI header, UUID, offset of the first image, and what is reserved.
std::string table(const std::string& images) {
  return "VFCT" + std::string(48, '\0') + number(76, 4) + std::string(20, '\0') + images;
}

}  // namespace

TEST_CASE("the firmware's image for a card is found among others") {
  const auto both = table(image(1, 0x1638, "integrated") + image(3, 0x73df, "discrete"));
  CHECK(vfct_image(both, address, radeon) == "discrete");
}

TEST_CASE("a bus that the kernel has renumbered does not hide the card; the same bus comes first") {
  CHECK(vfct_image(table(image(9, 0x73df, "moved")), address, radeon) == "moved");
  CHECK(vfct_image(table(image(9, 0x73df, "moved") + image(3, 0x73df, "here")), address, radeon) == "here");
}

TEST_CASE("no table, another card's image, and a table cut off anywhere give nothing and do no harm") {
  CHECK_FALSE(vfct_image("", address, radeon));
  CHECK_FALSE(vfct_image(table(image(3, 0x1638, "other")), address, radeon));
  const auto whole = table(image(3, 0x73df, "discrete"));
  for (std::size_t length = 0; length < whole.size(); ++length)
    CHECK_FALSE(vfct_image(whole.substr(0, length), address, radeon));
  auto huge = whole;
  huge.replace(76 + 24, 4, "\xff\xff\xff\xff");
  CHECK_FALSE(vfct_image(huge, address, radeon));
}
