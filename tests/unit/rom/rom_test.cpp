// SPDX-License-Identifier: GPL-2.0-or-later
#include "rom/rom.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "support/roms.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

constexpr PciIdentity laptop_gpu{0x10de, 0x25a0, 0x1043, 0x1ccc, 0x030000};

bool has(const Problems& problems, std::string_view id) {
  return std::ranges::find(problems, id, &Problem::id) != problems.end();
}
Problems problems_of(const std::string& bytes) { return rom_problems(parse_rom(bytes), &laptop_gpu); }
std::string changed(std::string rom, std::size_t at, unsigned value) {
  rom[at] = static_cast<char>(value);
  return rom;
}

}  // namespace

TEST_CASE("the smallest EFI ROM is read in full") {
  const auto rom = parse_rom(efi_rom());
  REQUIRE(rom.images.size() == 1);
  const auto& image = rom.images[0];
  CHECK(image.vendor == 0x10de);
  CHECK(image.device == 0x25a0);
  CHECK(image.class_code == 0x030000);
  CHECK(image.code_type == code_efi);
  CHECK(image.size == 512);
  CHECK(image.last);
  CHECK(image.complete);
  REQUIRE(image.efi);
  CHECK(*image.efi == EfiImage{0x0ef1, 0x0b, 0x8664, 0, 512});
  CHECK(rom.size == 512);
  CHECK(rom.chain_ends);
  CHECK(shows_picture_under_uefi(rom));
  CHECK(rom_problems(rom, &laptop_gpu).size() == 1);
  CHECK(has(rom_problems(rom, &laptop_gpu), "rom-uefi"));
}

TEST_CASE("an x86 image is followed to the EFI image behind it") {
  const auto rom = parse_rom(two_image_rom());
  REQUIRE(rom.images.size() == 2);
  CHECK(rom.images[0].code_type == code_x86);
  CHECK(rom.images[0].checksum_good == true);
  CHECK_FALSE(rom.images[0].last);
  CHECK(rom.images[1].offset == 1024);
  CHECK(rom.size == 1536);
  CHECK(shows_picture_under_uefi(rom));
  CHECK_FALSE(is_blocked(problems_of(two_image_rom())));
}

TEST_CASE("a data structure that is not aligned is none") {
  CHECK(parse_rom(changed(efi_rom(), 0x18, 0x1d)).images.empty());
  CHECK(has(problems_of(changed(efi_rom(), 0x18, 0x1d)), "rom-invalid"));
  CHECK(parse_rom(changed(efi_rom(), 0x18, 0)).images.empty());
}

TEST_CASE("a chain without an end is told") {
  const auto open = changed(efi_rom(), 0x31, 0);
  CHECK_FALSE(parse_rom(open).chain_ends);
  CHECK(has(problems_of(open), "rom-unfinished"));
  CHECK(shows_picture_under_uefi(parse_rom(open)));
}

TEST_CASE("an image of no length ends the walk and cannot be loaded") {
  const auto rom = parse_rom(changed(efi_rom(), 0x2c, 0));
  REQUIRE(rom.images.size() == 1);
  CHECK_FALSE(rom.images[0].complete);
  CHECK_FALSE(shows_picture_under_uefi(rom));
  CHECK(is_blocked(rom_problems(rom)));
}

TEST_CASE("a class that is no display, and ids of another card, are warnings") {
  CHECK(has(problems_of(changed(efi_rom(), 0x2b, 2)), "rom-class"));
  CHECK(has(problems_of(changed(efi_rom(), 0x22, 0xa1)), "rom-other-card"));
  CHECK_FALSE(has(rom_problems(parse_rom(efi_rom())), "rom-other-card"));
}

TEST_CASE("what UEFI does not load shows no picture, and the reason is told") {
  struct Case {
    std::size_t at;
    unsigned value;
    const char* reason;
  };
  for (const auto& c :
       {Case{0x04, 0, "signature"}, Case{0x08, 0x0a, "subsystem"}, Case{0x0c, 2, "compressed"},
        Case{0x0a, 0xee, "machine 0x86ee"}, Case{0x30, 0, "no EFI image"}}) {
    const auto rom = parse_rom(changed(efi_rom(), c.at, c.value));
    CHECK_FALSE(shows_picture_under_uefi(rom));
    const auto found = rom_problems(rom);
    const auto picture = std::ranges::find(found, "rom-no-uefi", &Problem::id);
    REQUIRE(picture != found.end());
    CHECK_MESSAGE(picture->message.find(c.reason) != std::string::npos, picture->message);
  }
}

TEST_CASE("NVIDIA's flash header is found, told and stripped") {
  const auto bytes = with_nvgi_prefix(two_image_rom());
  const auto rom = parse_rom(bytes);
  CHECK(rom.prefix == RomPrefix::nvgi);
  CHECK(rom.prefix_size == 0x600);
  CHECK(rom.images.size() == 2);
  CHECK(stripped(bytes, rom) == two_image_rom());
  CHECK(has(problems_of(bytes), "rom-prefix"));
}

TEST_CASE("NVIDIA's flash header is believed where it says the ROM starts") {
  std::string prefix{"NVGI"};
  prefix.resize(0x304, '\0');  // no multiple of 512: a search alone would not find it
  prefix[5] = 1;               // version
  prefix[6] = 0x10;            // extension at 0x10, offset at 0x14
  prefix[0x15] = 3;
  prefix[0x14] = 4;
  CHECK(parse_rom(prefix + efi_rom()).prefix_size == 0x304);
  prefix[5] = 3;  // third version: by the flash status and the ROM directory
  prefix.resize(0x2000, '\0');
  prefix[8] = 0x40;
  prefix[0x41] = 1;           // flash status at 0x100
  prefix[0x1108 + 1] = 0x20;  // directory at 0x1100, offset 0x2000 at +8
  CHECK(parse_rom(prefix + efi_rom()).prefix_size == 0x2000);
}

TEST_CASE("other bytes in front are found by search, and trailing bytes are cut") {
  const auto bytes = std::string(512, 'x') + efi_rom() + std::string(4096, '\xff');
  const auto rom = parse_rom(bytes);
  CHECK(rom.prefix == RomPrefix::unknown);
  CHECK(stripped(bytes, rom) == efi_rom());
}

TEST_CASE("NVIDIA's extension counts for the size, the specification for what firmware finds") {
  // The x86 image says it is 1024 bytes and the last; the extension says 2 units and more to come.
  auto bytes = two_image_rom();
  add_extension(bytes, 0, 2, false);
  bytes[0x31] = static_cast<char>(0x80);
  const auto rom = parse_rom(bytes);
  REQUIRE(rom.images.size() == 2);
  CHECK(rom.images[0].in_chain);
  CHECK_FALSE(rom.images[1].in_chain);
  CHECK(rom.images[0].nvidia->checksum_disabled);
  CHECK_FALSE(rom.images[0].checksum_good);
  CHECK(rom.size == 1536);
  CHECK_FALSE(shows_picture_under_uefi(rom));
}

TEST_CASE("a wrong checksum of an x86 image is told") {
  CHECK(has(problems_of(changed(two_image_rom(), 0x100, 1)), "rom-checksum"));
  CHECK_FALSE(has(problems_of(two_image_rom()), "rom-checksum"));
}

TEST_CASE("nothing, sleep and rubbish have their own explanations") {
  CHECK(has(problems_of(""), "rom-none"));
  CHECK_FALSE(is_blocked(problems_of("")));
  CHECK(has(problems_of(std::string(65536, '\xff')), "rom-asleep"));
  CHECK(has(problems_of("hello"), "rom-invalid"));
  CHECK(has(problems_of(std::string(1024, '\0')), "rom-invalid"));
}

TEST_CASE("cut off at any byte, a ROM is read without harm and never promises more than is there") {
  for (const auto& whole : {efi_rom(), two_image_rom(), with_nvgi_prefix(two_image_rom())})
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto rom = parse_rom(whole.substr(0, size));
      CHECK(rom.prefix_size + rom.size <= size);
      CHECK_FALSE(shows_picture_under_uefi(rom));
    }
}

TEST_CASE("with any bit flipped a ROM is read without harm") {
  auto bytes = with_nvgi_prefix(two_image_rom());
  add_extension(bytes, 0x600, 2, false);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto flipped = bytes;
    flipped[bit / 8] = static_cast<char>(static_cast<unsigned char>(flipped[bit / 8]) ^ 1U << bit % 8);
    const auto rom = parse_rom(flipped);
    REQUIRE(rom.prefix_size + rom.size <= flipped.size());
    REQUIRE(stripped(flipped, rom).size() == rom.size);
    REQUIRE_FALSE(rom_problems(rom, &laptop_gpu).empty());
  }
}

TEST_CASE("a ROM that is nothing but image headers is not walked for ever") {
  std::string many;
  auto image = efi_rom();
  image[0x31] = 0;
  for (int i = 0; i < 1000; ++i) many += image;
  CHECK(parse_rom(many).images.size() == 64);
}
