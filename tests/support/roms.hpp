// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

namespace gpuctl::test {

/// 512 bytes: one EFI boot service driver for x86-64, not compressed, for 10de:25a0.
std::string efi_rom();
/// 1536 bytes: an x86 image of 1024 bytes with a right checksum, then efi_rom().
std::string two_image_rom();
/// `rom` behind 0x600 bytes that start with NVIDIA's signature.
std::string with_nvgi_prefix(const std::string& rom);
/// The extension "NPDE" for the image at `offset` of a ROM made here.
void add_extension(std::string& rom, std::size_t offset, unsigned units, bool last);

}  // namespace gpuctl::test
