// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdlib>
#include <string_view>

#include "fuzz/fuzz.hpp"
#include "rom/rom.hpp"
#include "support/roms.hpp"

using namespace gpuctl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  const auto rom = parse_rom(bytes);
  if (rom.prefix_size + rom.size > size || stripped(bytes, rom).size() != rom.size) std::abort();
  if (rom_problems(rom).empty()) std::abort();
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  auto extended = test::two_image_rom();
  test::add_extension(extended, 0, 2, false);
  return {test::efi_rom(), test::two_image_rom(), extended, test::with_nvgi_prefix(extended)};
}
