// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/devices.hpp"
#include "core/problem.hpp"

namespace gpuctl {

/// What an EFI image says of itself (UEFI specification, "PCI option ROM"; edk2 IndustryStandard/Pci22.h).
struct EfiImage {
  std::uint32_t signature{};    ///< 0x0ef1
  std::uint16_t subsystem{};    ///< 0x0b boot service driver, 0x0c runtime driver
  std::uint16_t machine{};      ///< 0x8664 = x86-64
  std::uint16_t compression{};  ///< 0 none, 1 UEFI
  std::uint32_t size{};         ///< bytes
  bool operator==(const EfiImage&) const = default;
};

/// NVIDIA's extension of the PCI data structure: the image's true length and place in the chain.
struct NvidiaExtension {
  std::uint16_t revision{};
  std::uint32_t size{};  ///< bytes
  bool last{};
  bool checksum_disabled{};
  bool operator==(const NvidiaExtension&) const = default;
};

/// One image of an option ROM (PCI Firmware Specification 3.x).
struct RomImage {
  std::size_t offset{};  ///< from the start of the ROM, prefix not counted
  std::uint32_t size{};  ///< bytes, as the PCI data structure says; may reach beyond the ROM
  std::uint8_t code_type{};
  std::uint16_t vendor{}, device{};
  std::uint32_t class_code{};  ///< 24 bits
  std::uint16_t revision{};    ///< the vendor's
  std::uint8_t structure_revision{};
  bool last{};
  bool in_chain{};                    ///< firmware gets to it; others are NVIDIA's own
  bool complete{};                    ///< all of it is there
  std::optional<bool> checksum_good;  ///< of x86 images that are complete
  std::optional<EfiImage> efi;
  std::optional<NvidiaExtension> nvidia;
  bool operator==(const RomImage&) const = default;
};

inline constexpr std::uint8_t code_x86 = 0, code_open_firmware = 1, code_pa_risc = 2, code_efi = 3;
std::string code_name(std::uint8_t code_type);        ///< "x86", "EFI", "NVIDIA firmware", "type 0x42"
std::string machine_name(std::uint16_t efi_machine);  ///< "x86-64", "machine 0x1234"

enum class RomPrefix { none, nvgi, unknown };

/// What some bytes are when they are taken for an option ROM.
struct Rom {
  std::size_t bytes{};  ///< all of them
  RomPrefix prefix{};
  std::size_t prefix_size{};  ///< in front of the first image; a guest's firmware does not look past it
  std::size_t size{};         ///< of the ROM proper: end of the last image, at most what is there
  std::vector<RomImage> images;
  bool chain_ends{};  ///< the last image in the chain is marked so
  bool all_ones{};    ///< what a sleeping or absent device reads as
  bool operator==(const Rom&) const = default;
};

/// Total: any bytes give a Rom, what does not fit is left out of it.
Rom parse_rom(std::string_view bytes);

/// The ROM proper: without a prefix, cut after its last image. What a VM is to be given.
std::string_view stripped(std::string_view bytes, const Rom& rom);

/// Whether OVMF finds a driver for x86-64 in it, and so a picture before the guest's own driver is loaded.
bool shows_picture_under_uefi(const Rom& rom);

/// What is wrong and what it means, and a finding of severity ok or warning on the picture. `card` when it is
/// known for which one. Ids start with "rom-".
Problems rom_problems(const Rom& rom, const PciIdentity* card = nullptr);

/// For a card without a ROM, which needs no repair on a laptop.
Problem no_rom(const std::string& subject);

}  // namespace gpuctl
