// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci_address.hpp"

#include <charconv>

#include "core/hex.hpp"

namespace gpuctl {
namespace {

/// Hex digits of `text` as a number; nothing unless there are min..max digits and no other character.
std::optional<std::uint32_t> parse_hex(std::string_view text, std::size_t min, std::size_t max) {
  if (text.size() < min || text.size() > max) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<PciSlot> parse_full_slot(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || text.size() != colon + 6 || text[colon + 3] != ':')
    return std::nullopt;
  const auto domain = parse_hex(text.substr(0, colon), 4, 8);
  const auto bus = parse_hex(text.substr(colon + 1, 2), 2, 2);
  const auto device = parse_hex(text.substr(colon + 4, 2), 2, 2);
  if (!domain || !bus || !device || *device > 0x1f) return std::nullopt;
  return PciSlot{*domain, static_cast<std::uint8_t>(*bus), static_cast<std::uint8_t>(*device)};
}

}  // namespace

std::optional<PciSlot> PciSlot::parse(std::string_view text) {
  if (text.size() == 5) return parse_full_slot("0000:" + std::string(text));
  return parse_full_slot(text);
}

std::string PciSlot::str() const {
  std::string text;
  append_hex(text, domain, 4);
  text += ':';
  append_hex(text, bus, 2);
  text += ':';
  append_hex(text, device, 2);
  return text;
}

std::optional<PciAddress> PciAddress::parse(std::string_view text) {
  const auto dot = text.rfind('.');
  if (dot == std::string_view::npos || text.size() != dot + 2) return std::nullopt;
  const auto slot = parse_full_slot(text.substr(0, dot));
  const auto function = parse_hex(text.substr(dot + 1), 1, 1);
  if (!slot || !function || *function > 7) return std::nullopt;
  return PciAddress{slot->domain, slot->bus, slot->device, static_cast<std::uint8_t>(*function)};
}

std::string PciAddress::str() const {
  auto text = slot().str() + '.';
  append_hex(text, function, 1);
  return text;
}

}  // namespace gpuctl
