// SPDX-License-Identifier: GPL-2.0-or-later
#include "rom/rom.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "rom/byte_view.hpp"

namespace gpuctl {
namespace {

constexpr std::uint32_t unit = 512;
constexpr std::size_t header_size = 0x1a;
constexpr std::size_t max_images = 64;  // real ROMs have up to six
constexpr std::uint8_t last_flag = 0x80;

/// Whose rules a walk from image to image follows.
enum class Walk {
  specification,  ///< Linux pci_get_rom_size(), edk2 PciOptionRomSupport.c: lengths of the PCI data structure
  nvidia,         ///< lengths of its extension, and signatures of its own
};

bool has_image_signature(ByteView image, Walk walk) {
  const auto signature = image.u16(0);
  if (signature == 0xaa55) return true;
  return walk == Walk::nvidia && (signature == 0x4e56 || signature == 0xbb77);
}

bool has_structure_signature(ByteView image, std::size_t at, Walk walk) {
  if (image.has(at, "PCIR")) return true;
  return walk == Walk::nvidia && (image.has(at, "NPDS") || image.has(at, "RGIS"));
}

/// Offset of the PCI data structure in an image; nothing if there is none that firmware would accept.
std::optional<std::size_t> data_structure(ByteView image, Walk walk) {
  if (!has_image_signature(image, walk) || image.size() < header_size) return std::nullopt;
  const std::size_t at = image.u16_or_0(0x18);
  if (at == 0 || at % 4 != 0 || !has_structure_signature(image, at, walk)) return std::nullopt;
  const auto length = image.u16_or_0(at + 0x0a);
  if (length < 0x18 || length == 0xffff || at + length > image.size()) return std::nullopt;
  return at;
}

std::optional<NvidiaExtension> extension(ByteView image, std::size_t structure, std::uint32_t image_size) {
  const auto at = (structure + image.u16_or_0(structure + 0x0a) + 15) / 16 * 16;
  if (!image.has(at, "NPDE") || !image.u16(at + 0x08)) return std::nullopt;
  NvidiaExtension found;
  found.revision = image.u16_or_0(at + 0x04);
  const auto length = image.u16_or_0(at + 0x06);
  found.size = std::uint32_t{image.u16_or_0(at + 0x08)} * unit;
  found.last = length > 0x0a ? (image.u8_or_0(at + 0x0a) & last_flag) != 0 : found.size >= image_size;
  found.checksum_disabled = length > 0x0b && (image.u8_or_0(at + 0x0b) & 4) != 0;
  return found;
}

EfiImage efi_image(ByteView image) {
  return {.signature = image.u32_or_0(0x04),
          .subsystem = image.u16_or_0(0x08),
          .machine = image.u16_or_0(0x0a),
          .compression = image.u16_or_0(0x0c),
          .size = std::uint32_t{image.u16_or_0(0x02)} * unit};
}

/// Only x86 images have one: the bytes of the size in their header add up to 0.
std::optional<bool> checksum(ByteView image, const RomImage& found) {
  const auto size = image.u8_or_0(2) * unit;
  const auto sum = image.sum(size);
  if (found.code_type != code_x86 || size == 0 || !sum || (found.nvidia && found.nvidia->checksum_disabled))
    return std::nullopt;
  return *sum == 0;
}

std::optional<RomImage> image_at(ByteView rom, std::size_t offset, Walk walk) {
  const auto image = rom.from(offset);
  const auto structure = data_structure(image, walk);
  if (!structure) return std::nullopt;
  const auto at = *structure;
  RomImage found;
  found.offset = offset;
  found.vendor = image.u16_or_0(at + 0x04);
  found.device = image.u16_or_0(at + 0x06);
  found.structure_revision = image.u8_or_0(at + 0x0c);
  found.class_code = image.u32_or_0(at + 0x0c) >> 8;
  found.size = std::uint32_t{image.u16_or_0(at + 0x10)} * unit;
  found.revision = image.u16_or_0(at + 0x12);
  found.code_type = image.u8_or_0(at + 0x14);
  found.last = (image.u8_or_0(at + 0x15) & last_flag) != 0;
  found.complete = found.size != 0 && found.size <= image.size();
  found.nvidia = extension(image, at, found.size);
  if (found.code_type == code_efi) found.efi = efi_image(image);
  found.checksum_good = checksum(image, found);
  return found;
}

struct Chain {
  std::vector<RomImage> images;
  bool ends{};
};

Chain walk_through(ByteView rom, Walk walk) {
  Chain chain;
  for (std::size_t offset = 0; chain.images.size() < max_images;) {
    const auto image = image_at(rom, offset, walk);
    if (!image) break;
    chain.images.push_back(*image);
    const bool extended = walk == Walk::nvidia && image->nvidia;
    const auto size = extended ? image->nvidia->size : image->size;
    chain.ends = extended ? image->nvidia->last : image->last;
    if (chain.ends || size == 0) break;
    offset += size;
  }
  return chain;
}

std::size_t end_of(const RomImage& image) {
  return image.offset + (image.nvidia ? image.nvidia->size : image.size);
}

/// Where an NVIDIA flash image says that its ROM starts (NVIDIA open-gpu-kernel-modules,
/// kernel_gsp_vbios_tu102.c).
std::optional<std::size_t> nvgi_start(ByteView bytes) {
  const auto word = bytes.u32(4);
  if (!word) return std::nullopt;
  const auto version = *word >> 8 & 0xff;
  if (version == 1 || version == 2) return bytes.u32((*word >> 16 & 0x7fff) + 4);
  if (version != 3 || !bytes.u32(8)) return std::nullopt;
  const auto flash_status = bytes.u32(*bytes.u32(8) & 0xfffff);
  if (!flash_status || *flash_status > bytes.size()) return std::nullopt;
  return bytes.u32(*flash_status + 4096 + 8);
}

bool starts_rom(ByteView bytes, std::size_t offset) {
  return offset % 4 == 0 && data_structure(bytes.from(offset), Walk::specification).has_value();
}

/// Offset of the first image, and what is in front of it. Without any: everything is prefix.
std::pair<RomPrefix, std::size_t> find_start(ByteView bytes) {
  if (bytes.u16(0) == 0xaa55) return {RomPrefix::none, 0};
  const bool nvgi = bytes.has(0, "NVGI");
  const auto prefix = nvgi ? RomPrefix::nvgi : RomPrefix::unknown;
  const auto told = nvgi ? nvgi_start(bytes) : std::nullopt;
  if (told && starts_rom(bytes, *told)) return {prefix, *told};
  for (std::size_t offset = unit; offset < bytes.size(); offset += unit)
    if (starts_rom(bytes, offset)) return {prefix, offset};
  return {nvgi ? prefix : RomPrefix::none, bytes.size()};
}

}  // namespace

std::string code_name(std::uint8_t code_type) {
  switch (code_type) {
    case code_x86:
      return "x86";
    case code_open_firmware:
      return "Open Firmware";
    case code_pa_risc:
      return "PA-RISC";
    case code_efi:
      return "EFI";
    case 0x70:
      return "NVIDIA NBSI";
    case 0xe0:
      return "NVIDIA firmware";
    default:
      return fmt::format("type 0x{:02x}", code_type);
  }
}

std::string machine_name(std::uint16_t efi_machine) {
  switch (efi_machine) {
    case 0x8664:
      return "x86-64";
    case 0x014c:
      return "IA-32";
    case 0xaa64:
      return "ARM64";
    case 0x01c2:
      return "ARM";
    case 0x0ebc:
      return "EFI byte code";
    case 0x0200:
      return "Itanium";
    case 0x5064:
      return "RISC-V 64";
    default:
      return fmt::format("machine 0x{:04x}", efi_machine);
  }
}

Rom parse_rom(std::string_view bytes) {
  Rom rom;
  rom.bytes = bytes.size();
  rom.all_ones = !bytes.empty() && bytes.find_first_not_of('\xff') == std::string_view::npos;
  std::tie(rom.prefix, rom.prefix_size) = find_start(ByteView{bytes});
  const auto proper = ByteView{bytes}.from(rom.prefix_size);
  auto chain = walk_through(proper, Walk::specification);
  rom.chain_ends = chain.ends;
  for (auto& image : chain.images) image.in_chain = true;
  std::map<std::size_t, RomImage> images;
  for (auto& image : chain.images) images.emplace(image.offset, std::move(image));
  for (auto& image : walk_through(proper, Walk::nvidia).images)
    images.emplace(image.offset, std::move(image));
  for (auto& [offset, image] : images) {
    rom.size = std::max(rom.size, end_of(image));
    rom.images.push_back(std::move(image));
  }
  rom.size = std::min(rom.size, proper.size());
  return rom;
}

std::string_view stripped(std::string_view bytes, const Rom& rom) {
  return bytes.substr(rom.prefix_size, rom.size);
}

}  // namespace gpuctl
