// SPDX-License-Identifier: GPL-2.0-or-later
#include <charconv>
#include <fstream>

#include "fuzz/fuzz.hpp"

namespace fuzz {
namespace {

/// As `run --keep` writes it: what is not printable is \xHH.
std::string unescaped(const std::string& line) {
  std::string bytes;
  for (std::size_t i = 0; i < line.size(); ++i) {
    unsigned char byte = static_cast<unsigned char>(line[i]);
    if (byte == '\\' && i + 3 < line.size()) {
      std::from_chars(line.data() + i + 2, line.data() + i + 4, byte, 16);
      i += 3;
    }
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace

std::vector<std::string> all_seeds() {
  auto found = seeds();
  std::ifstream file{std::string{TEST_DATA} + "/fuzz/seeds/" + FUZZER};
  for (std::string line; std::getline(file, line);) found.push_back(unescaped(line));
  return found;
}

}  // namespace fuzz
