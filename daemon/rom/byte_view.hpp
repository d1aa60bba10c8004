// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gpuctl {

/// Little-endian numbers out of bytes that may be too few: nothing is ever read outside of them.
class ByteView {
 public:
  explicit ByteView(std::string_view bytes) : bytes_(bytes) {}
  std::size_t size() const { return bytes_.size(); }
  ByteView from(std::size_t offset) const { return ByteView{bytes_.substr(std::min(offset, bytes_.size()))}; }
  std::optional<std::uint8_t> u8(std::size_t at) const { return number<std::uint8_t>(at); }
  std::optional<std::uint16_t> u16(std::size_t at) const { return number<std::uint16_t>(at); }
  std::optional<std::uint32_t> u32(std::size_t at) const { return number<std::uint32_t>(at); }
  /// 0 where there is nothing, for fields of a structure whose presence was checked.
  std::uint32_t u32_or_0(std::size_t at) const { return u32(at).value_or(0); }
  std::uint16_t u16_or_0(std::size_t at) const { return u16(at).value_or(0); }
  std::uint8_t u8_or_0(std::size_t at) const { return u8(at).value_or(0); }
  bool has(std::size_t at, std::string_view text) const {
    return at <= bytes_.size() && bytes_.substr(at).starts_with(text);
  }
  /// Sum of `count` bytes modulo 256; nothing if they are not all there.
  std::optional<std::uint8_t> sum(std::size_t count) const {
    if (count > bytes_.size()) return std::nullopt;
    unsigned sum = 0;
    for (const char c : bytes_.substr(0, count)) sum += static_cast<unsigned char>(c);
    return static_cast<std::uint8_t>(sum);
  }

 private:
  template <class Number>
  std::optional<Number> number(std::size_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(Number)) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(bytes_[at + i]);
    return static_cast<Number>(value);
  }

  std::string_view bytes_;
};

}  // namespace gpuctl
