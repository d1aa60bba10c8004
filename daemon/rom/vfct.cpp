// SPDX-License-Identifier: GPL-2.0-or-later
#include "rom/vfct.hpp"

#include "rom/byte_view.hpp"

namespace gpuctl {
namespace {

constexpr std::size_t first_image_field = 52;  // behind ACPI's header and a UUID
constexpr std::size_t header_size = 28;

/// Firmware counts buses before the kernel renumbers them, so the bus alone does not exclude a card.
bool is_for(const ByteView& header, PciAddress address, const PciIdentity& card) {
  return header.u32_or_0(4) == address.device && header.u32_or_0(8) == address.function &&
         header.u16_or_0(12) == card.vendor && header.u16_or_0(14) == card.device;
}

}  // namespace

std::optional<std::string_view> vfct_image(std::string_view table, PciAddress address,
                                           const PciIdentity& card) {
  const ByteView view{table};
  if (!view.has(0, "VFCT")) return std::nullopt;
  std::optional<std::string_view> other_bus;
  std::size_t at = view.u32_or_0(first_image_field);
  while (at >= first_image_field && at <= table.size() && table.size() - at > header_size) {
    const auto header = view.from(at);
    const std::size_t length = header.u32_or_0(24);
    if (length == 0 || length > table.size() - at - header_size) break;
    const auto image = table.substr(at + header_size, length);
    if (is_for(header, address, card)) {
      if (header.u32_or_0(0) == address.bus) return image;
      if (!other_bus) other_bus = image;
    }
    at += header_size + length;
  }
  return other_bus;
}

}  // namespace gpuctl
