// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace fuzz {

/// The input as a stream of choices; zeros when it is used up.
class Bytes {
 public:
  Bytes() = default;
  Bytes(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool empty() const { return at_ == end_; }
  std::uint8_t next() { return empty() ? std::uint8_t{0} : *at_++; }
  std::size_t below(std::size_t limit) { return next() % limit; }
  std::string text() {
    std::string read;
    for (auto left = next() % 40; left > 0 && !empty(); --left) read += static_cast<char>(next());
    return read;
  }

 private:
  const std::uint8_t *at_{}, *end_{};
};

}  // namespace fuzz
