// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace gpuctl {

/// Slot of a PCI device: domain (may be wider than 16 bits behind VMD), bus, device.
struct PciSlot {
  std::uint32_t domain{};
  std::uint8_t bus{}, device{};
  /// Accepts `0000:01:00` and `01:00` (domain 0), nothing else.
  static std::optional<PciSlot> parse(std::string_view text);
  std::string str() const;
  auto operator<=>(const PciSlot&) const = default;
};

/// Address of one PCI function, text form `0000:01:00.0` = domain:bus:device.function.
struct PciAddress {
  std::uint32_t domain{};
  std::uint8_t bus{}, device{}, function{};

  /// Strict: lower or upper case hex, 4 to 8 domain digits, device < 0x20, function < 8. No white space, no
  /// short forms.
  static std::optional<PciAddress> parse(std::string_view text);
  /// Lower case, as sysfs names directories.
  std::string str() const;
  PciSlot slot() const { return {domain, bus, device}; }
  auto operator<=>(const PciAddress&) const = default;
};

}  // namespace gpuctl

template <>
struct std::hash<gpuctl::PciAddress> {
  std::size_t operator()(const gpuctl::PciAddress& a) const noexcept {
    return (std::size_t{a.domain} << 24) ^ (std::size_t{a.bus} << 8) ^ (std::size_t{a.device} << 3) ^
           a.function;
  }
};
