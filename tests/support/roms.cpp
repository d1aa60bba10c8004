// SPDX-License-Identifier: GPL-2.0-or-later
#include "support/roms.hpp"

namespace gpuctl::test {
namespace {

/// Hexadecimal digits in pairs, blanks ignored, filled up with zeros.
std::string bytes(const std::string& hex, std::size_t size) {
  std::string all, digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    all += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  all.resize(size, '\0');
  return all;
}

}  // namespace

std::string efi_rom() {
  return bytes(
      "55 aa 01 00 f1 0e 00 00 0b 00 64 86 00 00 00 00 00 00 00 00 00 00 38 00 1c 00 00 00 50 43 49 52"
      "de 10 a0 25 00 00 18 00 00 00 00 03 01 00 00 00 03 80 00 00 00 00 00 00",
      512);
}

std::string two_image_rom() {
  auto rom = bytes(
      "55 aa 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 1c 00 00 00 50 43 49 52"
      "de 10 a0 25 00 00 18 00 00 00 00 03 02 00 00 00 00 00 00 00",
      1024);
  rom[0x3ff] = static_cast<char>(0xe5);
  return rom + efi_rom();
}

std::string with_nvgi_prefix(const std::string& rom) {
  std::string prefix{"NVGI"};
  prefix.resize(0x600, '\0');
  return prefix + rom;
}

void add_extension(std::string& rom, std::size_t offset, unsigned units, bool last) {
  const std::string npde{
      'N', 'P', 'D', 'E', 0, 1, 0x0c, 0, static_cast<char>(units), 0, static_cast<char>(last ? 0x80 : 0), 4};
  rom.replace(offset + 0x40, npde.size(), npde);  // 0x1c + 0x18, rounded up to 16
}

}  // namespace gpuctl::test
