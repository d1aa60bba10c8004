// SPDX-License-Identifier: GPL-2.0-or-later
// Encodes AML (ACPI 6.5, chapter 20) for this one table:
//
//   DefinitionBlock ("", "SSDT", 1, "GPUCTL", "BATTERY", 1) {
//     Scope (\_SB.PCI0) {
//       Device (BAT0) {
//         Name (_HID, EisaId ("PNP0C0A"))  Name (_UID, 0)
//         Method (_STA) { Return (0x1F) }
//         Method (_BIF) { Return (Package (13) { 1, 6000, 6000, 1, 14800, 600, 300, 60, 60, "", "", "LION",
//         "" }) } Method (_BST) { Return (Package (4) { 0, 0, 6000, 14800 }) } } } }
#include "vm/battery.hpp"

#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <string_view>

namespace gpuctl {
namespace {

using Aml = std::string;

constexpr char zero_op = 0x00, one_op = 0x01, name_op = 0x08, byte_prefix = 0x0A, word_prefix = 0x0B,
               dword_prefix = 0x0C, string_prefix = 0x0D, scope_op = 0x10, package_op = 0x12,
               method_op = 0x14, dual_name_prefix = 0x2E, ext_prefix = 0x5B;
constexpr char return_op = static_cast<char>(0xA4), device_op = static_cast<char>(0x82);

Aml little_endian(std::uint32_t value, int bytes) {
  Aml out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}

Aml integer(std::uint32_t value) {
  if (value == 0) return {zero_op};
  if (value == 1) return {one_op};
  if (value <= 0xFF) return Aml{byte_prefix} + little_endian(value, 1);
  if (value <= 0xFFFF) return Aml{word_prefix} + little_endian(value, 2);
  return Aml{dword_prefix} + little_endian(value, 4);
}

Aml text(std::string_view value) { return Aml{string_prefix} + Aml{value} + '\0'; }

/// PkgLength counts itself: one byte below 64, else two (enough for 4 KiB).
Aml with_length(const Aml& body) {
  if (body.size() + 1 < 0x40) return Aml{static_cast<char>(body.size() + 1)} + body;
  const auto length = body.size() + 2;
  return Aml{static_cast<char>(0x40 | (length & 0x0F)), static_cast<char>(length >> 4)} + body;
}

Aml name(std::string_view segment, const Aml& value) { return Aml{name_op} + Aml{segment} + value; }

Aml method(std::string_view segment, const Aml& result) {
  return Aml{method_op} + with_length(Aml{segment} + '\0' + return_op + result);
}

Aml package(std::initializer_list<Aml> elements) {
  auto body = Aml{static_cast<char>(elements.size())};
  for (const auto& element : elements) body += element;
  return Aml{package_op} + with_length(body);
}

Aml battery_device() {
  const auto information =
      package({integer(1), integer(6000), integer(6000), integer(1), integer(14800), integer(600),
               integer(300), integer(60), integer(60), text(""), text(""), text("LION"), text("")});
  const auto status = package({integer(0), integer(0), integer(6000), integer(14800)});
  const auto contents = Aml{"BAT0"} + name("_HID", integer(0x0A0CD041)) + name("_UID", integer(0)) +
                        method("_STA", integer(0x1F)) + method("_BIF", information) + method("_BST", status);
  return Aml{ext_prefix, device_op} + with_length(contents);
}

Aml header(std::size_t body) {
  return Aml{"SSDT"} + little_endian(static_cast<std::uint32_t>(36 + body), 4) + Aml{'\1', '\0'} + "GPUCTL" +
         Aml{"BATTERY\0", 8} + little_endian(1, 4) + "GPUC" + little_endian(1, 4);
}

}  // namespace

std::string battery_table() {
  const auto scope = Aml{scope_op} + with_length(Aml{'\\', dual_name_prefix} + "_SB_PCI0" + battery_device());
  auto table = header(scope.size()) + scope;
  const auto sum = std::accumulate(table.begin(), table.end(), 0U, [](unsigned a, char byte) {
    return a + static_cast<unsigned char>(byte);
  });
  table.at(9) = static_cast<char>(0x100 - (sum & 0xFF));  // all bytes add up to 0
  return table;
}

}  // namespace gpuctl
